"""What a helpdesk may change of an account, and what follows for its addresses."""

import datetime as dt
import itertools
from typing import Any

import pytest

from services.policy.domain.account import (
    Account,
    changed_account,
    changed_fields,
    is_address_changed,
    is_outdated,
    is_password_outdated,
)
from shared.contracts.commands import PutAccount
from shared.contracts.types import Contact, Role

NOW = dt.datetime(2027, 3, 1, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TICK = dt.timedelta(microseconds=1)


def contact(name: str, *, sealed: str = "once") -> Contact:
    """An address; sealing it again gives other bytes and the same digest."""
    return Contact(sealed=f"v1.k1.{name}{sealed}", masked=name[0], digest=name)


def change(
    before: Account | None,
    *,
    at: dt.datetime = NOW,
    is_covered: bool = False,
    is_overdue: bool = False,
    **given: Any,
) -> Account:
    """Apply a change that gives just these fields."""
    command = PutAccount.model_validate({"given": tuple(given), **given})
    return changed_account(before, command, account_id="ann", is_covered=is_covered, is_overdue=is_overdue, now=at)


ANN = change(None, role="agent", email=contact("old"), email_verified=True)


def test_a_new_account_has_defaults() -> None:
    """A helpdesk that sends an id only gets an account that nothing is required of."""
    made = change(None)
    assert made == Account(account_id="ann", created_at=NOW)
    assert changed_fields(None, made) == ()


def test_the_same_address_sealed_again_is_no_change() -> None:
    """Every upsert seals anew: only the digest says whether the address is another one."""
    again = change(ANN, at=NOW + DAY, email=contact("old", sealed="again"), email_verified=True)
    assert not is_address_changed(ANN, again)
    assert changed_fields(ANN, again) == ()
    assert again.email_changed_at is None


def test_a_new_address_starts_unproved() -> None:
    """What was shown of the old mailbox says nothing about the new one."""
    moved = change(ANN, at=NOW + DAY, email=contact("new"))
    assert is_address_changed(ANN, moved)
    assert (moved.email_verified, moved.email_proved_at, moved.email_changed_at) == (False, None, NOW + DAY)
    assert changed_fields(ANN, moved) == ("email", "email_verified")


def test_a_replaced_address_hears_for_thirty_days() -> None:
    """Half-open, like everything that ends."""
    moved = change(ANN, at=NOW, email=contact("new"))
    assert moved.former_email_at(NOW + 30 * DAY - TICK) == ANN.email
    assert moved.former_email_at(NOW + 30 * DAY) is None


def test_a_second_change_keeps_the_first_address() -> None:
    """Two changes in a row would else silence the owner; later the newer one takes the place."""
    moved = change(ANN, email=contact("thief"), email_verified=True)
    assert change(moved, at=NOW + DAY, email=contact("thief2")).former_email == ANN.email
    assert change(moved, at=NOW + 31 * DAY, email=contact("thief2")).former_email == moved.email


def test_an_address_that_nobody_vouched_for_is_not_told() -> None:
    """A typing error is somebody else's mailbox."""
    unverified = change(None, email=contact("tpyo"))
    assert change(unverified, email=contact("right")).former_email is None


def test_a_removed_address_is_a_change() -> None:
    """Taking the mailbox away is how a thief would keep the notices quiet."""
    gone = change(ANN, email=None)
    assert (gone.email, gone.former_email) == (None, ANN.email)
    assert is_address_changed(ANN, gone)


def test_a_mailbox_serves_a_recovery_once_proved_or_settled() -> None:
    """The helpdesk's word counts after a week; a code that came back counts at once."""
    assert ANN.mailbox_at(NOW + 7 * DAY - TICK) is None
    assert ANN.mailbox_at(NOW + 7 * DAY) == ANN.email
    moved = change(ANN, at=NOW + 30 * DAY, email=contact("new"), email_verified=True)
    assert moved.mailbox_at(NOW + 36 * DAY) is None
    assert moved.mailbox_at(NOW + 37 * DAY) == moved.email
    unverified = change(None, email=contact("new"))
    assert unverified.mailbox_at(NOW + 100 * DAY) is None


@pytest.mark.parametrize(
    ("known", "told", "outdated"), [(None, 1, False), (5, None, False), (5, 5, False), (5, 6, False), (5, 4, True)]
)
def test_only_an_older_version_is_outdated(known: int | None, told: int | None, outdated: bool) -> None:  # noqa: FBT001
    """The same version again is a retry; none at all is a helpdesk that does not count."""
    before = Account(account_id="ann", created_at=NOW, version=known)
    assert is_outdated(before, PutAccount(given=(), version=told)) is outdated
    assert not is_outdated(None, PutAccount(given=(), version=told))


def test_leaving_sso_is_remembered() -> None:
    """From then on the account is like any other, with a grace period that starts there."""
    sso = change(ANN, sso=True)
    assert sso.left_sso_at is None
    back = change(sso, at=NOW + DAY, sso=False)
    assert (back.left_sso_at, back.subject_since) == (NOW + DAY, NOW + DAY)


def test_only_a_role_that_was_not_covered_starts_anew() -> None:
    """A change within the requirement renews no grace."""
    promoted = change(ANN, at=NOW + DAY, role="admin")
    assert promoted.subject_since == NOW + DAY
    assert change(ANN, at=NOW + DAY, is_covered=True, role="admin").subject_since == NOW


def test_who_was_away_for_long_starts_anew_and_for_a_few_days_does_not() -> None:
    """To be deactivated for a minute must not renew anybody's grace; to come back after a year is to begin."""
    away = change(ANN, at=NOW + DAY, active=False)
    soon, late = (change(away, at=NOW + days * DAY, active=True) for days in (30, 31))
    assert (soon.subject_since, soon.returned_at) == (NOW, NOW + 30 * DAY)
    assert (late.subject_since, late.returned_at) == (NOW + 31 * DAY, None)
    assert changed_fields(away, soon) == ("is_active",)


def test_who_was_overdue_when_they_left_gets_no_day_for_coming_back() -> None:
    """Nobody is unlocked by being switched off and on."""
    away = change(ANN, at=NOW + DAY, is_overdue=True, active=False)
    assert change(away, at=NOW + 2 * DAY, active=True).returned_at is None


def test_an_account_that_was_never_active_starts_when_it_is() -> None:
    """Prepared in spring, switched on in summer: a deadline of spring would be a lock without a warning."""
    prepared = change(None, active=False)
    assert change(prepared, at=NOW + 2 * DAY, active=True).subject_since == NOW + 2 * DAY


def tell(before: Account | None, version: int, *, is_whole: bool = False, **given: Any) -> Account:
    """News with a version, as the handler takes it: what is outdated changes nothing."""
    fields = {"given": tuple(given), "version": version, "is_whole": is_whole, **given}
    command = PutAccount.model_validate(fields)
    if is_outdated(before, command):
        assert before is not None
        return before
    return changed_account(before, command, account_id="ann", is_covered=False, is_overdue=False, now=NOW + DAY)


_NEWS: tuple[dict[str, Any], ...] = (
    {"version": 1, "is_whole": True, "role": "agent", "email": contact("first"), "email_verified": True, "sso": False},
    {"version": 2, "email": contact("second"), "email_verified": False},
    {"version": 3, "sso": True},
    {"version": 4, "is_whole": True, "role": "admin", "email": contact("third")},
    {"version": 5, "email_verified": True},
    {"version": 6, "sso": False},
)


@pytest.mark.parametrize("order", [order for order in itertools.permutations(range(6)) if order.index(0) < 2])
def test_whatever_the_order_the_newest_word_on_each_fact_stands(order: tuple[int, ...]) -> None:
    """Address, SSO and the rest are told by events of their own, which overtake each other."""
    account = None
    for number in order:
        account = tell(account, **_NEWS[number])
    assert account is not None
    assert (account.role, account.is_sso, account.version) == (Role.ADMIN, False, 6)
    assert (account.email, account.email_verified) == (contact("third"), True)


def test_an_older_whole_is_ignored_as_a_whole() -> None:
    """It says what held before; what it names and the newer one does not was left out there for a reason."""
    newer = tell(None, 3, is_whole=True, role="agent")
    assert tell(newer, 2, is_whole=True, role="customer", active=False) == newer


def test_an_account_from_before_has_one_version_for_all_its_facts() -> None:
    """Rows that were written when only the whole had a version must not take older news for new."""
    before = Account(account_id="ann", created_at=NOW, version=7)
    assert tell(before, 6, sso=True) == before
    after = tell(before, 8, sso=True)
    assert (after.is_sso, after.version) == (True, 8)
    assert tell(after, 6, active=False) == after
    assert is_password_outdated(before, 6)
    assert not is_password_outdated(before, 7)
