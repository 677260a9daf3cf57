"""Backup codes: their form, and how forgivingly codes are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.otp_worker.adapters.backup_hashes import fits, hash_codes, new_codes
from services.otp_worker.domain.backup_code import ALPHABET, BackupCode, parse
from services.otp_worker.domain.typed import digits


def _wide(text: str) -> str:
    """The same on a keyboard for Japanese."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


CODES = st.builds(BackupCode, st.integers(0, 9), st.text(alphabet=ALPHABET, min_size=16, max_size=16))


@given(CODES)
def test_what_is_written_is_read_again(code: BackupCode) -> None:
    """As shown, in lower case, without dashes, with spaces."""
    written = code.written()
    assert len(written) == 21
    for typed in (written, written.lower(), written.replace("-", ""), written.replace("-", " "), f" {written}\n"):
        assert parse(typed) == code


@pytest.mark.parametrize(
    "typed",
    [
        "3-O0IL-ABCD-EFGH-JKMN",
        "3-00ll-abcd-efgh-jkmn",
        _wide("3-00IL-ABCD-EFGH-JKMN"),
        "3-0o1l-abcd-efgh-jkmn".replace("-", "\N{EN DASH}"),
    ],
)
def test_what_looks_alike_is_alike(typed: str) -> None:
    """O for 0, I and L for 1, full-width letters, long dashes: the alphabet was chosen so that nothing is lost."""
    assert parse(typed) == BackupCode(3, "0011ABCDEFGHJKMN")


@pytest.mark.parametrize(
    "typed",
    ["", "3", "X-0011-ABCD-EFGH-JKMN", "3-0011-ABCD-EFGH-JKM", "3-0011-ABCD-EFGH-JKMNP", "3-0011-ABCD-EFGH-JKMU"],
)
def test_another_form_is_no_code(typed: str) -> None:
    """Refused before a slow hash is spent on it, and without costing a try."""
    assert parse(typed) is None


@given(st.text(max_size=60))
def test_reading_never_fails(typed: str) -> None:
    """Whatever is typed is a code or is none."""
    parse(typed)
    assert (read := digits(typed)) is None or (len(read) == 6 and read.isdigit())


@pytest.mark.parametrize("typed", ["123456", " 123 456 ", "123-456", _wide("123456"), "12 34 56"])
def test_six_digits_are_read_as_people_type_them(typed: str) -> None:
    """Mail shows them in groups, phones put a space behind, and some keyboards are wide."""
    assert digits(typed) == "123456"


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "12345a", "⑥23456x", "१२३४५६"])
def test_anything_else_is_no_code(typed: str) -> None:
    """Not even digits of another script: an authenticator shows ours."""
    assert digits(typed) is None


def test_a_secret_does_not_print_itself() -> None:
    """A traceback with a backup code in it is a backup code in a log."""
    assert "0011" not in repr(BackupCode(3, "0011ABCDEFGHJKMN"))


async def test_ten_codes_of_eighty_bits_each_with_a_slot() -> None:
    """One slow hash a try, because the code says which of the ten it claims to be."""
    codes = new_codes()
    assert [code.slot for code in codes] == list(range(10))
    assert len({code.characters for code in codes}) == 10
    first, second = await hash_codes(codes[:2])
    assert first.startswith("$argon2id$v=19$m=8192,t=1,p=1$")
    assert await fits(first, codes[0])
    assert not await fits(first, codes[1])
    assert not await fits(second, BackupCode(0, codes[1].characters))
    assert not await fits("not a hash", codes[0])
