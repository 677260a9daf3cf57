"""When the word that an account is gone counts, and when its id may be given again."""

import datetime as dt
from uuid import UUID

import pytest

from services.policy.domain.account import Account
from services.policy.domain.erasure import Erase, Erasure, Outdated, Repeated, Unknown, decide_erasure, is_older

NOW = dt.datetime(2027, 3, 1, 9, 0, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


def account(version: int | None = None) -> Account:
    """Ann, told of by this version."""
    return Account(account_id="ann", created_at=NOW, version=version)


def gone(version: int | None = None) -> Erasure:
    """She was erased, at this version."""
    return Erasure(erasure_id=UUID(int=1), version=version, told_at=NOW, erased_at=NOW, is_finished=True)


@pytest.mark.parametrize(
    ("known", "told", "verdict"),
    [
        (None, None, Erase(None)),
        (7, None, Erase(7)),
        (7, 7, Erase(7)),
        (7, 8, Erase(8)),
        (None, 8, Erase(8)),
        (7, 6, Outdated()),
    ],
)
def test_the_same_version_and_any_newer_is_the_end(known: int | None, told: int | None, verdict: object) -> None:
    """An account that was changed after it was deleted is there: the deletion was overtaken."""
    assert decide_erasure(account(known), None, version=told, told_at=NOW) == verdict


def test_what_is_gone_is_gone_once() -> None:
    """A double click and a redelivered message erase nothing more; an id of nobody is no account."""
    assert decide_erasure(None, gone(7), version=7, told_at=NOW) == Repeated(gone(7))
    assert decide_erasure(None, None, version=7, told_at=NOW) == Unknown()


def test_an_old_deletion_does_not_end_the_account_that_came_after_it() -> None:
    """The same id was given again: news of the first one's end must not end the second."""
    assert decide_erasure(account(), gone(7), version=7, told_at=NOW + SECOND) == Outdated()
    assert decide_erasure(account(), gone(), version=None, told_at=NOW) == Outdated()
    assert decide_erasure(account(8), gone(7), version=9, told_at=NOW + SECOND) == Erase(9)


@pytest.mark.parametrize(
    ("erased", "version", "told_at", "older"),
    [
        (7, 7, None, True),
        (7, 6, NOW + SECOND, True),
        (7, 8, NOW - SECOND, False),
        (None, 8, NOW - SECOND, True),
        (7, None, NOW, True),
        (7, None, NOW + SECOND, False),
        (7, None, None, False),
        (None, None, None, False),
    ],
)
def test_versions_decide_and_instants_where_there_are_none(
    erased: int | None,
    version: int | None,
    told_at: dt.datetime | None,
    older: bool,  # noqa: FBT001
) -> None:
    """A person who has left must not come back by a message that was on the way."""
    assert is_older(gone(erased), version=version, told_at=told_at) is older
