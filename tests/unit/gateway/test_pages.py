"""Pages for people: every message in every language, and the language that a person reads."""

import pytest

from services.gateway.prompt.languages import LANGUAGES, page_language, preferred_language
from services.gateway.prompt.messages import MESSAGES, Message
from services.gateway.prompt.rendering import Pages


def test_every_message_is_there_in_every_language() -> None:
    """A missing one would be an outage for the people of one language only."""
    assert set(MESSAGES) == set(LANGUAGES)
    for words in MESSAGES.values():
        assert set(words) == set(Message)
        assert all(each.title and all(each.texts) for each in words.values())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("message", list(Message), ids=lambda message: message.name.lower())
async def test_a_page_says_its_language(message: Message, language: str) -> None:
    """Screen readers choose their voice by it."""
    page = Pages().say(message, language)
    assert page.status == message.status
    assert page.headers["Content-Language"] == language
    assert page.text is not None
    assert f'<html lang="{language}">' in page.text


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr,de;q=0.5,en;q=0.4", "de"),
        ("fr;q=0.9, it", "en"),
        ("de;q=0, en;q=0.1", "en"),
        ("en;q=0.2,de;q=0.7", "de"),
        ("de;q=abc,en;q=0.1", "en"),
        ("*", "en"),
        (";;;,,q=", "en"),
        ("x" * 100_000, "en"),
    ],
)
def test_a_browser_gets_the_language_it_likes_best(accepted: str | None, language: str) -> None:
    """By its weights (RFC 9110, 12.5.4); whatever else it sends is no fault."""
    assert preferred_language(accepted) == language


@pytest.mark.parametrize(("tag", "language"), [("de", "de"), ("de-AT", "de"), ("pt_BR", "en"), ("", "en")])
def test_an_account_gets_its_own_language(tag: str, language: str) -> None:
    """Or English, which every page has."""
    assert page_language(tag) == language
