"""What an admin asks of, or grants to, one account alone."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from services.policy.domain.standing import Standing
from shared.contracts.commands import ChangeEnforcement
from shared.rules.enforcement import SHORTEST_NOTICE

LONGEST = dt.timedelta(days=366)
"""An exemption or an extension ends: one that nobody looks at again is a hole that everybody forgets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Individual:
    """One account's own; instants are tenant time."""

    is_required: bool = False
    required_since: dt.datetime | None = None
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
        exempt_until=standing.exempt_until,
        extended_until=standing.extended_until,
    )


def after_change(before: Individual, change: ChangeEnforcement, now: dt.datetime) -> Individual | OutOfRange:
    """What holds afterwards. What was not given stays; None ends what there is."""
    given = frozenset(change.given)
    untils = {"exempt_until": change.exempt_until, "extended_until": change.extended_until}
    if (wrong := next(_out_of_range(given, untils.items(), now), None)) is not None:
        return wrong
    after = before
    if "required" in given:
        after = _required(after, now) if change.required else replace(after, is_required=False, required_since=None)
    if "exempt_until" in given:
        after = replace(after, exempt_until=change.exempt_until or _exemption_ended(before, now))
    if "extended_until" in given:
        after = replace(after, extended_until=change.extended_until or _extension_ended(before, now))
    return after


def after_clearing(before: Individual, now: dt.datetime) -> Individual:
    """Only the policy holds, as soon as a day's notice is over."""
    return Individual(exempt_until=_exemption_ended(before, now), extended_until=_extension_ended(before, now))


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


def _required(before: Individual, now: dt.datetime) -> Individual:
    """Required again, it neither starts anew nor is due at once."""
    return before if before.is_required else replace(before, is_required=True, required_since=now)


def _exemption_ended(before: Individual, now: dt.datetime) -> dt.datetime | None:
    """When it ended stays known: the account has a day from then."""
    return min(before.exempt_until, now) if before.exempt_until is not None else None


def _extension_ended(before: Individual, now: dt.datetime) -> dt.datetime | None:
    """Of what was granted a day is left: nobody is locked out on the spot."""
    return min(before.extended_until, now + SHORTEST_NOTICE) if before.extended_until is not None else None
