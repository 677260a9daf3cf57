"""What an admin grants to one account: does it open the account."""

import datetime as dt
from dataclasses import replace

import pytest

from services.policy.domain.individual import Individual, after_clearing, opens_account

NOW = dt.datetime(2027, 1, 31, 9, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
NOTHING = Individual()
REQUIRED = Individual(is_required=True, required_since=NOW)
EXEMPT = Individual(exempt_until=NOW + DAY)
EXTENDED = Individual(extended_until=NOW + DAY)


@pytest.mark.parametrize(
    ("before", "after", "opens"),
    [
        (NOTHING, NOTHING, False),
        (NOTHING, REQUIRED, False),
        (REQUIRED, NOTHING, True),
        (NOTHING, EXEMPT, True),
        (EXEMPT, replace(EXEMPT, exempt_until=NOW + 2 * DAY), True),
        (EXEMPT, replace(EXEMPT, exempt_until=NOW), False),
        (EXEMPT, EXEMPT, False),
        (NOTHING, EXTENDED, True),
        (EXTENDED, replace(EXTENDED, extended_until=NOW + 2 * DAY), True),
        (EXTENDED, replace(EXTENDED, extended_until=NOW), False),
        (EXEMPT, REQUIRED, False),
        (REQUIRED, replace(REQUIRED, exempt_until=NOW + DAY), True),
    ],
)
def test_an_account_is_opened_by_what_lets_it_in_longer(before: Individual, after: Individual, *, opens: bool) -> None:
    """What only closes an admin's account needs one admin; whatever opens it needs two, where the tenant asks."""
    assert opens_account(before, after) is opens


@pytest.mark.parametrize(("before", "opens"), [(REQUIRED, True), (EXEMPT, False), (EXTENDED, False), (NOTHING, False)])
def test_back_to_the_policy_opens_only_what_was_required(before: Individual, *, opens: bool) -> None:
    """Taking an exemption back is no favour; taking a requirement back is one."""
    assert opens_account(before, after_clearing(before, NOW)) is opens
