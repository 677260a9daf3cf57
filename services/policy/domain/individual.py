"""What an admin asks of, or grants to, one account alone."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from services.policy.domain.requirement import SAME_REQUIREMENT_WITHIN
from services.policy.domain.standing import Standing
from shared.contracts.commands import ChangeEnforcement, MovedEnforcement
from shared.rules.enforcement import SHORTEST_NOTICE

LONGEST = dt.timedelta(days=366)
"""An exemption or an extension ends: one that nobody looks at again is a hole that everybody forgets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Individual:
    """One account's own; instants are tenant time."""

    is_required: bool = False
    required_since: dt.datetime | None = None
    required_until: dt.datetime | None = None  # taken back then
    was_overdue: bool = False  # the deadline was over by then
    resumed_at: dt.datetime | None = None  # set again: a day's notice is owed
    exempt_until: dt.datetime | None = None
    extended_until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class OutOfRange:
    """An instant that is past, or too far ahead; the name of its field."""

    field: str


def individual_of(standing: Standing) -> Individual:
    """What holds for the account alone."""
    return Individual(
        is_required=standing.is_individually_required,
        required_since=standing.individually_required_since,
        required_until=standing.individually_required_until,
        was_overdue=standing.was_individually_overdue,
        resumed_at=standing.individually_resumed_at,
        exempt_until=standing.exempt_until,
        extended_until=standing.extended_until,
    )


def after_change(
    before: Individual, change: ChangeEnforcement, now: dt.datetime, *, is_overdue: bool = False
) -> Individual | OutOfRange:
    """What holds afterwards. What was not given stays; None ends what there is. ``is_overdue``: see `Standing`."""
    given = frozenset(change.given)
    untils = {"exempt_until": change.exempt_until, "extended_until": change.extended_until}
    if (wrong := next(_out_of_range(given, untils.items(), now), None)) is not None:
        return wrong
    after = before
    if "required" in given:
        require = _required if change.required else _not_required
        after = require(after, now, is_overdue=is_overdue)
    if "exempt_until" in given:
        after = replace(after, exempt_until=change.exempt_until or _exemption_ended(before, now))
    if "extended_until" in given:
        after = replace(after, extended_until=change.extended_until or _extension_ended(before, now))
    return after


def brought_along(moved: MovedEnforcement, now: dt.datetime) -> Individual:
    """What an account brings from another Deskfactor. What is over, or further ahead than anybody may grant, is not."""

    def kept(until: dt.datetime | None) -> dt.datetime | None:
        return until if until is not None and now < until <= now + LONGEST else None

    return Individual(
        is_required=moved.is_individually_required,
        required_since=now if moved.is_individually_required else None,
        exempt_until=kept(moved.exempt_until),
        extended_until=kept(moved.extended_until),
    )


def after_clearing(before: Individual, now: dt.datetime, *, is_overdue: bool = False) -> Individual:
    """Only the policy holds, as soon as a day's notice is over."""
    return replace(
        _not_required(before, now, is_overdue=is_overdue),
        exempt_until=_exemption_ended(before, now),
        extended_until=_extension_ended(before, now),
    )


def opens_account(before: Individual, after: Individual) -> bool:
    """Whether the account may afterwards get in without a factor where, or for as long as, it could not before."""
    return (
        (before.is_required and not after.is_required)
        or _is_later(before.exempt_until, after.exempt_until)
        or _is_later(before.extended_until, after.extended_until)
    )


def _is_later(before: dt.datetime | None, after: dt.datetime | None) -> bool:
    return after is not None and (before is None or before < after)


def _out_of_range(
    given: frozenset[str], untils: Iterable[tuple[str, dt.datetime | None]], now: dt.datetime
) -> Iterator[OutOfRange]:
    for name, until in untils:
        if name in given and until is not None and not now < until <= now + LONGEST:
            yield OutOfRange(name)


def _required(before: Individual, now: dt.datetime, *, is_overdue: bool) -> Individual:
    """Said again it starts nothing anew; nor does it within 30 days of being taken back. Then there is a day's notice,
    but none for who is, or was when it was taken back, overdue.
    """
    if before.is_required:
        return before
    required = replace(before, is_required=True, required_until=None, was_overdue=False)
    if before.required_until is None or before.required_until + SAME_REQUIREMENT_WITHIN <= now:
        return replace(required, required_since=now, resumed_at=None)
    return required if is_overdue or before.was_overdue else replace(required, resumed_at=now)


def _not_required(before: Individual, now: dt.datetime, *, is_overdue: bool) -> Individual:
    """Taken back; since when it held is remembered."""
    if not before.is_required:
        return before
    return replace(before, is_required=False, required_until=now, was_overdue=is_overdue)


def _exemption_ended(before: Individual, now: dt.datetime) -> dt.datetime | None:
    """When it ended stays known: the account has a day from then."""
    return min(before.exempt_until, now) if before.exempt_until is not None else None


def _extension_ended(before: Individual, now: dt.datetime) -> dt.datetime | None:
    """Of what was granted a day is left: nobody is locked out on the spot."""
    return min(before.extended_until, now + SHORTEST_NOTICE) if before.extended_until is not None else None
