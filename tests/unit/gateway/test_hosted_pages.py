"""The small rules under the hosted pages: ways back, waits in words, what a browser's secret makes."""

from uuid import UUID

import pytest

from services.gateway.problems import KINDS
from services.gateway.prompt.addresses import form_target, way_back
from services.gateway.prompt.browser import Browser, new_nonce, read_nonce
from services.gateway.prompt.faults import (
    FAULTS,
    NOTHING_TYPED,
    RECOVERY_FAULTS,
    fault_text,
    recovery_fault_text,
    wait_text,
)
from services.gateway.prompt.languages import LANGUAGES
from services.gateway.prompt.messages import BACK
from services.gateway.queries.prompt_sessions import PromptSession
from shared.contracts.replies import Refusal, RefusalCode
from shared.contracts.types import ChallengeId
from shared.secret import Secret

TENANT, SESSION = UUID(int=1), UUID(int=2)
CHALLENGE = ChallengeId(UUID(int=3))


def session(return_url: str, state: str | None = None) -> PromptSession:
    """One that goes back there."""
    return PromptSession(
        tenant_id=TENANT,
        session_id=SESSION,
        kind="sign_in",
        account_id="ann",
        challenge_id=CHALLENGE,
        return_url=return_url,
        state=state,
    )


@pytest.mark.parametrize(
    ("return_url", "address"),
    [
        ("https://help.acme.example", "https://help.acme.example?code=x&state=s%26t%3D1%20%C3%A9"),
        ("https://help.acme.example/in?a=b", "https://help.acme.example/in?a=b&code=x&state=s%26t%3D1%20%C3%A9"),
        ("https://help.acme.example/in?", "https://help.acme.example/in?code=x&state=s%26t%3D1%20%C3%A9"),
        ("https://help.acme.example/#/in", "https://help.acme.example/?code=x&state=s%26t%3D1%20%C3%A9#/in"),
        ("acme-helpdesk://in", "acme-helpdesk://in?code=x&state=s%26t%3D1%20%C3%A9"),
    ],
)
def test_what_is_said_is_added_to_the_tenants_own_address(return_url: str, address: str) -> None:
    """Nothing of the address is lost, and nothing in the state can end its parameter."""
    assert way_back(session(return_url, "s&t=1 é"), code="x") == address


@pytest.mark.parametrize(
    ("return_url", "target"),
    [
        ("https://help.acme.example/in?a=b", "https://help.acme.example"),
        ("https://help.acme.example:8443/in", "https://help.acme.example:8443"),
        ("http://[::1]:3000/in", "http://[::1]:3000"),
        ("https://somebody@help.acme.example/in", "https:"),
        ("https://help.acme.example; script-src *", "https:"),
        ("acme-helpdesk://in", "acme-helpdesk:"),
    ],
)
def test_a_pages_policy_names_the_origin_and_nothing_that_could_be_a_policy(return_url: str, target: str) -> None:
    """Browsers stop a redirect after a form that its policy does not name; and the address is a tenant's text."""
    assert form_target(session(return_url)) == target


def test_every_fault_is_said_in_every_language() -> None:
    """A missing one would show a person a form that silently takes nothing."""
    assert set(FAULTS) == set(LANGUAGES) == set(NOTHING_TYPED) == set(BACK)
    assert len({frozenset(faults) for faults in FAULTS.values()}) == 1
    assert len({frozenset(faults) for faults in RECOVERY_FAULTS.values()}) == 1
    assert set(RECOVERY_FAULTS) == set(LANGUAGES)
    for language in LANGUAGES:
        for code in FAULTS[language]:
            refusal = Refusal(code=code, attempts_left=2, retry_after_seconds=45, minutes_off=-7)
            said = fault_text(refusal, language)
            assert said
            assert "{" not in said
            assert KINDS[code].status >= 400


def test_a_recovery_says_its_own_words_where_it_has_some() -> None:
    """That a code was sent a moment ago is not why nobody may ask for a recovery today."""
    soon = Refusal(code=RefusalCode.TOO_SOON, retry_after_seconds=86_400)
    said = recovery_fault_text(soon, "en")
    assert said == "Of the last time it was said: this was not me. Wait 24 hours, or ask your helpdesk."
    closed = Refusal(code=RefusalCode.ACCOUNT_INACTIVE)
    assert recovery_fault_text(closed, "de") == fault_text(closed, "de")


@pytest.mark.parametrize(
    ("seconds", "english", "german"),
    [
        (0, "1 second", "1 Sekunde"),
        (45, "45 seconds", "45 Sekunden"),
        (120, "2 minutes", "2 Minuten"),
        (121, "3 minutes", "3 Minuten"),
        (7_200, "2 hours", "2 Stunden"),
        (86_400, "24 hours", "24 Stunden"),
    ],
)
def test_a_wait_is_told_in_words_and_rounded_up(seconds: int, english: str, german: str) -> None:
    """Whoever waited as long as was said must not be refused again."""
    assert (wait_text(seconds, "en"), wait_text(seconds, "de")) == (english, german)


def test_a_last_try_is_one() -> None:
    """People count."""
    refusal = Refusal(code=RefusalCode.CODE_WRONG, attempts_left=1)
    assert fault_text(refusal, "en") == "This code is not right. You have one try left."
    assert fault_text(Refusal(code=RefusalCode.CODE_WRONG), "de") == "Dieser Code stimmt nicht."
    assert fault_text(Refusal(code=RefusalCode.UNAVAILABLE), "en") is None


def test_what_a_secret_makes_is_its_sessions_and_its_uses_own() -> None:
    """A form's token that were a code to redeem would stand in the page's source."""
    mine = Browser(tenant_id=TENANT, session_id=SESSION, secret=Secret("s" * 43))
    other = Browser(tenant_id=TENANT, session_id=UUID(int=9), secret=Secret("s" * 43))
    made = [
        maker
        for browser in (mine, other)
        for maker in (browser.form_token(), browser.redeem_code(CHALLENGE), browser.request_key("a", "b"))
    ]
    assert len(set(made)) == len(made)
    assert mine.redeem_code(CHALLENGE) == mine.redeem_code(CHALLENGE)
    assert mine.request_key("ab", "c") != mine.request_key("a", "bc")
    assert mine.is_own_form(mine.form_token())
    assert not mine.is_own_form(other.form_token())
    assert not mine.is_own_form(None)


def test_a_nonce_is_of_its_form_or_none() -> None:
    """It becomes a part of an Idempotency-Key."""
    assert read_nonce(new_nonce()) is not None
    assert [read_nonce(text) for text in (None, "", "x" * 17, "a b" + "c" * 13)] == [None] * 4
