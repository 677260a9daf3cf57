"""API keys: their form, and when one is good."""

import datetime as dt
from uuid import UUID

import pytest

from services.gateway.api.auth import Caller, KeyScope, May, caller_of, forbids, judge_key
from services.gateway.api.known_keys import Keys
from services.gateway.problems import HttpCode, Problem
from services.gateway.queries.api_keys import FoundKey
from shared.crypto.api_keys import api_key_digest, api_key_hint, is_wellformed, new_api_key
from shared.db.pool import Database

NOW = dt.datetime(2027, 1, 31, 9, 30, tzinfo=dt.UTC)


def found(*, expires_at: dt.datetime | None = None, is_suspended: bool = False) -> Caller:
    """Who has a key with the scope `logins`."""
    return caller_of(
        FoundKey(
            tenant_id=UUID(int=1),
            key_id=UUID(int=2),
            scopes=frozenset({"logins"}),
            expires_at=expires_at,
            is_sandbox=False,
            is_suspended=is_suspended,
        )
    )


@pytest.mark.parametrize("is_sandbox", [True, False])
def test_a_new_key_is_wellformed_and_says_which_world_it_is_for(*, is_sandbox: bool) -> None:
    """A test key in production, or the other way round, must be seen at a glance."""
    key = new_api_key(is_sandbox).reveal()
    assert key.startswith("df_test_" if is_sandbox else "df_live_")
    assert len(key) == len("df_live_") + 43 + 6
    assert is_wellformed(key)


def test_a_typing_error_breaks_the_checksum() -> None:
    """It is found before anybody is asked."""
    key = new_api_key(False).reveal()
    for place in range(len("df_live_"), len(key)):
        other = "A" if key[place] != "A" else "B"
        assert not is_wellformed(key[:place] + other + key[place + 1 :])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer noise",
        "Basic YWRhOnB3",
        f"Bearer df_live_{'A' * 49}",
        "Bearer df_test_\udcff",
    ],
)
async def test_noise_never_gets_to_the_database(header: str | None) -> None:
    """A flood of it would else take the connections that logins need."""
    nobody_asked = Database("postgresql://nowhere/", role="deskfactor_gateway", name="test")  # not even opened
    assert await Keys(nobody_asked).caller(header) == Problem(code=HttpCode.UNAUTHORIZED)


def test_keys_are_not_alike() -> None:
    """256 random bits."""
    assert len({new_api_key(False).reveal() for _ in range(100)}) == 100


def test_a_hint_shows_no_more_than_the_ends() -> None:
    """It stands in lists and in the audit log."""
    key = new_api_key(False)
    assert api_key_hint(key) == f"df_live_…{key.reveal()[-4:]}"
    assert len(api_key_digest(key.reveal())) == 32


def test_a_key_is_good_until_the_instant_of_its_expiry() -> None:
    """At the instant it is over."""
    assert isinstance(judge_key(found(expires_at=NOW + dt.timedelta(microseconds=1)), NOW), Caller)
    assert judge_key(found(expires_at=NOW), NOW) == Problem(code=HttpCode.KEY_EXPIRED)


def test_a_suspended_tenants_key_is_not_good() -> None:
    """Whatever its scopes."""
    assert judge_key(found(is_suspended=True), NOW) == Problem(code=HttpCode.TENANT_SUSPENDED)


def test_one_of_the_scopes_is_enough_and_none_is_not() -> None:
    """The table of routes names those that allow a call."""
    caller = judge_key(found(), NOW)
    assert isinstance(caller, Caller)
    assert forbids((KeyScope.ADMIN, KeyScope.LOGINS), caller) is None
    assert forbids(May.ANY_KEY, caller) is None
    problem = forbids((KeyScope.ADMIN,), caller)
    assert problem is not None
    assert problem.code is HttpCode.FORBIDDEN_SCOPE
