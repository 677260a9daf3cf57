"""Every way in which a request can go wrong has a document and a page."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from services.gateway.problems import BY_SLUG, KINDS, HttpCode, Problem, of_refusal
from services.gateway.settings import GatewaySettings
from shared.contracts.replies import Refusal, RefusalCode

SETTINGS = GatewaySettings(database_url=SecretStr("postgresql://nowhere/"), key_dir=Path("/nowhere"))


def test_every_refusal_of_a_service_has_a_kind() -> None:
    """A refusal without a document would be an answer that says nothing."""
    assert set(KINDS) == {*RefusalCode, *HttpCode}


def test_no_word_means_two_things() -> None:
    """Programs branch on `code`."""
    assert not {code.value for code in RefusalCode} & {code.value for code in HttpCode}
    assert len(BY_SLUG) == len(KINDS)


@pytest.mark.parametrize("code", list(KINDS))
def test_a_kind_is_a_client_or_a_server_error_in_words(code: RefusalCode | HttpCode) -> None:
    """A title and a sentence for people, an error status for programs."""
    kind = KINDS[code]
    assert 400 <= kind.status <= 503
    assert kind.title
    assert kind.text.endswith(".")


@pytest.mark.parametrize("code", [code for code, kind in KINDS.items() if kind.status in (429, 503)])
def test_who_has_to_wait_is_told_how_long(code: RefusalCode | HttpCode) -> None:
    """A client that must guess when to come again comes too often."""
    assert Problem(code=code).retry_after_header
    assert Problem(code=code, retry_after=17).retry_after_header == 17


def test_a_refusals_figures_are_members_of_its_document() -> None:
    """The person is told how many attempts are left."""
    problem = of_refusal(Refusal(code=RefusalCode.CODE_WRONG, attempts_left=3))
    assert problem.document(SETTINGS, "r-1") == {
        "type": "http://127.0.0.1:8080/problems/code-wrong",
        "title": "The code is wrong",
        "status": 422,
        "detail": "3 more codes may be tried.",
        "code": "code_wrong",
        "request_id": "r-1",
        "attempts_left": 3,
    }


@pytest.mark.parametrize(
    ("refusal", "detail"),
    [
        (Refusal(code=RefusalCode.CODE_WRONG, attempts_left=1), "One more code may be tried."),
        (Refusal(code=RefusalCode.CODE_WRONG, attempts_left=0), "No more codes may be tried. Start another login."),
        (
            Refusal(code=RefusalCode.CLOCK_OFF, minutes_off=-4),
            "The device's clock is 4 minutes behind. Set it, and try a new code.",
        ),
    ],
)
def test_a_detail_says_the_figure_itself(refusal: Refusal, detail: str) -> None:
    """A helpdesk that shows `detail` as it is must not show people the name of a member."""
    assert of_refusal(refusal).document(SETTINGS, "r-3")["detail"] == detail


def test_our_own_faults_say_nothing_but_their_id() -> None:
    """What went wrong inside is in the log, under that id."""
    document = Problem(code=RefusalCode.INTERNAL_ERROR).document(SETTINGS, "r-2")
    assert document["status"] == 500
    assert document["request_id"] == "r-2"
    assert set(document) == {"type", "title", "status", "detail", "code", "request_id"}
