"""Which notices reached whom before an account was locked: read from the log beside the entry that tells of it."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from services.gateway.api.answers import ToldNotice
from services.gateway.api.call import Call
from services.gateway.api.entries import entries_of
from services.gateway.api.event_words import instant
from services.gateway.problems import Problem
from shared.contracts.commands import ReadEntries
from shared.contracts.events import EnforcementLockedOut, EnforcementStarted
from shared.contracts.notifications import Notification
from shared.contracts.replies import Entry

MOST = 200  # entries before the lock; a week's reminders are twenty

_OF_DEADLINE = (
    Notification.ENFORCEMENT_STARTED,
    Notification.ENFORCEMENT_REMINDER,
    Notification.ENFORCEMENT_CHANGED,
)
_FATES = ("sent", "delivered", "undeliverable", "expired")
_TYPES = (EnforcementStarted.type, *(f"notification.{fate}" for fate in _FATES))

Told = tuple[ToldNotice, ...]
NO_LOCKS: Mapping[int, Told] = MappingProxyType({})


async def told_before_locks(call: Call[Any, Any], entries: Sequence[Entry]) -> Mapping[int, Told] | Problem:
    """By the number of each entry that tells of a lock: the notices of its deadline, oldest first."""
    locks = [entry.seq for entry in entries if entry.type == EnforcementLockedOut.type]
    if not locks:
        return NO_LOCKS
    command = ReadEntries(before=max(locks), limit=MOST, newest_first=True, types=_TYPES)
    said = await call.ask(command, account_id=call.account_id)
    if isinstance(said, Problem):
        return said
    known, _ = entries_of(said)
    return {seq: told(each for each in known if each.seq < seq) for seq in locks}


def told(newest_first: Iterable[Entry]) -> Told:
    """Of the entries before a lock: what was said since the requirement started, one a delivery, with its last fate.

    By their instants: each service says what it did, and who sent a notice may be heard before whoever wanted it sent.
    """
    entries = list(newest_first)
    since = next((entry.at for entry in entries if entry.type == EnforcementStarted.type), None)
    found: dict[str, ToldNotice] = {}
    for entry in entries:
        if since is not None and entry.at < since:
            continue
        data = entry.event.get("data") if entry.event is not None else None
        if not isinstance(data, dict) or data.get("notification") not in _OF_DEADLINE:
            continue
        delivery, fate = str(data["delivery_id"]), entry.type.partition(".")[2]
        newest = found.pop(delivery, None)
        found[delivery] = ToldNotice(
            at=entry.at,
            notification=str(data["notification"]),
            channel=data["channel"],
            destination=str(data["destination"]),
            state=newest.state if newest is not None else fate,
        )
    return tuple(sorted(found.values(), key=lambda notice: notice.at))


def in_a_sentence(notices: Told) -> str:
    """Who was told when; and whom nobody reached."""
    reached = [each for each in notices if each.state in ("sent", "delivered")]
    missed = sorted({each.destination for each in notices} - {each.destination for each in reached})
    parts = []
    if reached:
        parts.append("Told before: " + "; ".join(f"{each.destination}, {instant(each.at)}" for each in reached) + ".")
    else:
        parts.append("No notice of it reached anybody.")
    if missed:
        parts.append(f"Could not be reached: {', '.join(missed)}.")
    return " ".join(parts)
