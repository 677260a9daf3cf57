"""What a path may name."""

from uuid import UUID

import pytest

from shared.ids import UUID_TEXT

ID = "0190a2b4-5f6e-7abc-8def-0123456789ab"


@pytest.mark.parametrize("text", [ID, ID.upper()], ids=["lower", "upper"])
def test_an_id_is_taken_in_the_form_that_we_write(text: str) -> None:
    """In either case (RFC 9562, 4): a helpdesk may have stored it in capitals."""
    assert UUID_TEXT.fullmatch(text)
    assert UUID(text) == UUID(ID)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "17",
        ID[:-1],
        f"{ID}0",
        f"{ID}\n",
        ID.replace("-", ""),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        f"\uff10{ID[1:]}",
        "x" * 36,
    ],
    ids=["empty", "number", "short", "long", "line", "digits", "braces", "urn", "wide", "letters"],
)
def test_no_other_form_names_anything(text: str) -> None:
    """One record has one address: what is logged and sealed under one form would not be found under another."""
    assert not UUID_TEXT.fullmatch(text)
