"""What an SMS costs, and how a text is kept inside the cheap alphabet."""

import pytest

from services.notifier.domain.sms_text import segments, to_gsm7


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("🔒" * 35, 1),
        ("🔒" * 36, 2),
    ],
)
def test_segments_are_counted_as_they_are_billed(text: str, expected: int) -> None:
    """A budget that counts texts instead of segments is overdrawn threefold."""
    assert segments(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Grüße für 5 €: it's @desk #1", "Grüße für 5 €: it's @desk #1"),
        ("it\u2019s \u201cDesk\u201d \u2013 now\u2026", 'it\'s "Desk" - now...'),
        ("5:06\u202fPM", "5:06 PM"),
        ("Škoda Café Łódź", "Škoda Café Łódź"),
        ("Škoda Café", "Skoda Café"),
        ("Ação", "AÇao"),
        ("Код 123456 для «Деск»", "Код 123456 для «Деск»"),
        ("🔒 123456", "🔒 123456"),
    ],
)
def test_a_text_is_made_cheap_only_where_nothing_is_lost(text: str, expected: str) -> None:
    """A curly quote is not worth a second segment; a letter of somebody's language is."""
    assert to_gsm7(text) == expected
