"""Backup codes of other systems: what was typed becomes what was hashed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.rules.foreign_codes import MOST_WRITINGS, is_shape, writings


@pytest.mark.parametrize(
    ("typed", "shape", "written"),
    [
        ("K7FQ29XW", "xxxx-xxxx", ("k7fq-29xw",)),
        (" k7fq 29xw ", "XXXX-XXXX", ("K7FQ-29XW",)),
        ("k7fq–29xw", "xxxxxxxx", ("k7fq29xw",)),  # noqa: RUF001 - a dash as telephones write it
        ("k7fQ29xw", "********", ("k7fQ29xw",)),
        ("k7fq29x", "xxxx-xxxx", ()),
        ("k7fq29xwz", "xxxx-xxxx", ()),
        ("12345678", None, ("12345678",)),
        ("1234 5678", None, ("1234 5678", "12345678")),
        ("k7fq-29XW", None, ("k7fq-29XW", "k7fq29XW", "k7fq29xw", "K7FQ29XW")),
        ("1-0AZ8-MWFQ-K7FQ-29XW", "X" * 17, ("10AZ8MWFQK7FQ29XW",)),
        (" - ", None, ()),
    ],
)
def test_a_code_is_brought_into_the_form_that_was_hashed(typed: str, shape: str | None, written: tuple[str]) -> None:
    """People leave out dashes and do not mind capitals; a hash minds both."""
    assert writings(typed, shape) == written


@given(typed=st.text(max_size=200), shape=st.sampled_from([None, "xxxx-xxxx", "XXXXXXXX", "***** *****"]))
def test_no_text_makes_more_than_a_few_comparisons(typed: str, shape: str | None) -> None:
    """Each writing costs as many slow hashes as there are codes."""
    found = writings(typed, shape)
    assert len(found) <= (MOST_WRITINGS if shape is None else 1)
    assert len(set(found)) == len(found)


def test_a_shape_holds_places_and_what_stands_between_them() -> None:
    """An example of a code is no shape: it would be a code in the wrong column."""
    assert all(is_shape(text) for text in ("xxxx-xxxx", "XXXXXXXX", "***** *****", "xx:xx:xx:xx"))
    assert not any(is_shape(text) for text in ("", "xxx", "k7fq-29xw", "-xxxxxxx", "x" * 80, "12345678"))
