"""Files of other systems: what is read, what is refused, and that nothing of it is told."""

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.moving.faults import SENTENCES, Fault
from services.cli.moving.formats import Entry, Format, format_of, read_entries
from services.cli.moving.lines import LONGEST_LINE, UnreadableFile
from services.cli.moving.records import Record
from services.cli.moving.seeds import read_seed
from shared.contracts.types import Role
from shared.crypto.foreign_hashes import ForeignHash, read_hash

DOCUMENT = (Path(__file__).parents[3] / "docs/import.md").read_text()
SEED = "JBSWY3DPEHPK3PXP"  # 80 bits
BCRYPT = "$2b$11$" + "a" * 53
PLAIN = "ab" * 64


def read(text: str | bytes, kind: Format = Format.JSONL) -> list[Entry]:
    """All entries of such a file."""
    raw = text if isinstance(text, bytes) else text.encode()
    return list(read_entries(io.BytesIO(raw), kind))


def faults(text: str | bytes, kind: Format = Format.JSONL) -> list[tuple[int, str, str]]:
    """Line, field and reason of everything that was refused."""
    return [
        (entry.number, fault.field, fault.reason)
        for entry in read(text, kind)
        if isinstance(entry.found, list)
        for fault in entry.found
    ]


def records(text: str | bytes, kind: Format = Format.JSONL) -> list[Record]:
    """What was good."""
    return [entry.found for entry in read(text, kind) if isinstance(entry.found, Record)]


def test_the_examples_of_the_document_are_good() -> None:
    """Whoever moves in begins by copying them."""
    blocks = dict(re.findall(r"```(csv|json)\n(.*?)```", DOCUMENT, re.DOTALL))
    assert faults(blocks["csv"], Format.CSV) == faults(blocks["json"]) == []
    ann, bob, carol = records(blocks["csv"], Format.CSV)
    assert [ann.account_id, bob.account_id, carol.account_id] == ["ann", "bob", "carol"]
    assert (ann.secrets.seeds[0].seed, ann.secrets.codes[0].shape) == (SEED, "xxxx-xxxx")
    assert (len(bob.secrets.seeds), bob.sms[0].to, bob.account.email_verified) == (2, "+4915112345678", True)
    assert carol.account.role is Role.CUSTOMER
    assert not carol.has_factors
    ann, bob, carol = records(blocks["json"])
    assert ann.secrets.seeds[0].seed == SEED
    assert (bob.secrets.seeds[0].name, len(bob.emails)) == ("Work phone", 1)
    assert carol.secrets.codes[0].shape == "xxxx-xxxx"


def test_the_hashes_of_the_document_fit_its_code() -> None:
    """A table of forms is only worth something while each is understood."""
    shown = re.findall(r"^\| [^|]+ \| `([^`]{40,})` \|$", DOCUMENT, re.MULTILINE)
    assert len(shown) == 12
    for text in shown:
        hashed = read_hash(text)
        assert isinstance(hashed, ForeignHash), text
        assert hashed.fits(b"k7fq-29xw"), text


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_what_spreadsheets_write_is_read(end: str, mark: bytes) -> None:
    """A byte order mark, foreign line ends, blank lines at the end: none of it is anybody's fault."""
    text = end.join(("account_id,email", '"ann","ann@acme.example"', "", "bob,", ""))
    assert [record.account_id for record in records(mark + text.encode(), Format.CSV)] == ["ann", "bob"]
    [ann, bob] = records(mark + text.encode(), Format.CSV)
    assert (ann.account.given(), bob.account.given()) == (("email",), ())


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"account_id\n", "account_id\nann".encode("utf-16")])
@pytest.mark.parametrize("kind", list(Format))
def test_a_file_without_accounts_is_no_success(raw: bytes, kind: Format) -> None:
    """An empty export that was taken for a complete one would leave everybody without a factor."""
    if kind is Format.JSONL and raw.startswith(b"account_id"):
        raw = b""
    with pytest.raises(UnreadableFile):
        read(raw, kind)


@pytest.mark.parametrize("heading", ["account_id,JBSWY3DPEHPK3PXP", "email", "account_id,email,email", "ann,agent"])
def test_columns_that_are_not_known_end_it_at_once_and_are_not_quoted(heading: str) -> None:
    """A file without a heading begins with somebody's seed."""
    with pytest.raises(UnreadableFile) as raised:
        read(f"{heading}\nann,x\n", Format.CSV)
    assert "JBSW" not in str(raised.value)


class _EndlessLine(io.RawIOBase):
    """A hundred megabytes without a line's end, made as they are read."""

    def __init__(self) -> None:
        self.left = 100_000_000

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        length = min(len(buffer), self.left)
        buffer[:length] = b"x" * length
        self.left -= length
        return length


def test_a_line_without_end_is_refused_and_never_held() -> None:
    """One line of a hundred megabytes, in a file or from a pipe, must not take the host down."""
    [entry] = read_entries(io.BufferedReader(_EndlessLine()), Format.JSONL)  # type: ignore[type-var]
    assert (entry.number, entry.end, entry.found) == (1, 100_000_000, [Fault("", "line_too_long")])


def test_the_line_after_a_bad_one_is_read() -> None:
    """One broken record of a million is one line of the report."""
    good = b'{"account_id": "ann"}\n'
    lines = [b"x" * (LONGEST_LINE + 10), b"\xff\xfe\xfd", b"[1]", b"[" * 60_000, b"{", b'"ann"']
    raw = b"".join(line + b"\n" + good for line in lines)
    assert [fault for _, _, fault in faults(raw)] == [
        "line_too_long",
        "not_utf8",
        *(["json_malformed"] * 4),
    ]
    assert [entry.number for entry in read(raw) if isinstance(entry.found, Record)] == [2, 4, 6, 8, 10, 12]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("{}", [("account_id", "missing")]),
        ('{"account_id": "a b"}', [("account_id", "string_pattern_mismatch")]),
        ('{"account_id": "ann", "role": "emperor", "sso": 7}', [("role", "enum"), ("sso", "bool_parsing")]),
        ('{"account_id": "ann", "totpp": ["x"]}', [("", "unknown_member")]),
        ('{"account_id": "ann", "totp": "JBSWY3DPEHPK3PXP"}', [("totp", "tuple_type")]),
        ('{"account_id": "ann", "totp": [{"seed": "JBSWY3DPEHPK3PXP", "key": 1}]}', [("totp", "unknown_member")]),
        ('{"account_id": "ann", "backup_codes": ["12345678"]}', [("backup_codes", "hash_unknown")]),
        (
            f'{{"account_id": "ann", "backup_codes": ["{PLAIN}"], "backup_code_shape": "k7fq-29xw"}}',
            [("backup_code_shape", "shape_invalid")],
        ),
        (
            '{"account_id": "ann", "backup_codes": [' + ", ".join([f'"{PLAIN}"'] * 21) + "]}",
            [("backup_codes", "too_many_codes")],
        ),
        (
            '{"account_id": "ann", "totp": [' + ", ".join([f'"{SEED}"'] * 11) + "]}",
            [("totp", "too_many_factors")],
        ),
    ],
)
def test_what_is_wrong_is_told_by_field_and_reason(line: str, found: list[tuple[str, str]]) -> None:
    """Whoever mends the file must find the place; whoever reads the report must not find a seed."""
    assert [(field, reason) for _, field, reason in faults(line)] == found


def test_codes_that_make_one_try_too_dear_are_refused_unless_a_shape_makes_it_cheaper() -> None:
    """Ten bcrypt hashes of cost 11, compared in four ways of writing each, are five seconds of a core."""
    ten = ", ".join([f'"{BCRYPT}"'] * 10)
    line = f'{{"account_id": "ann", "backup_codes": [{ten}]'
    assert faults(line + "}") == [(1, "backup_codes", "hashes_too_costly")]
    assert faults(line + ', "backup_code_shape": "xxxx-xxxx"}') == []


@pytest.mark.parametrize(
    ("text", "seed"),
    [
        ("JBSWY3DPEHPK3PXP", SEED),
        ("jbsw y3dp-ehpk 3pxp", SEED),
        ("GEZDGNBVGY3TQOJQGE======", "GEZDGNBVGY3TQOJQGE"),
        ("hex:48656c6c6f21deadbeef", SEED),
        ("HEX:4865 6C6C 6F21 DEAD BEEF", SEED),
        ("otpauth://totp/Acme:ann?secret=JBSWY3DPEHPK3PXP&issuer=Acme", SEED),
        ("otpauth://totp/ann?secret=jbswy3dpehpk3pxp&algorithm=SHA1&digits=6&period=30", SEED),
        ("otpauth://totp/ann?secret=JBSWY3DPEHPK3PXP&algorithm=sha-1", SEED),
    ],
)
def test_a_seed_is_read_as_it_is_written(text: str, seed: str) -> None:
    """Every system shows it another way."""
    assert read_seed(text) == seed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("JBSWY3DPEHPK3", "seed_too_short"),
        (base64.b32encode(b"x" * 65).decode(), "seed_too_long"),
        ("not a seed 0189!", "seed_malformed"),
        ("48656c6c6f21deadbeef", "seed_hex_unmarked"),
        ("hex:xyz", "seed_malformed"),
        ("hex:48656c6c6f", "seed_too_short"),
        ("", "seed_too_short"),
        ("otpauth://hotp/ann?secret=JBSWY3DPEHPK3PXP&counter=1", "totp_type"),
        ("otpauth://totp/ann?issuer=Acme", "otpauth_malformed"),
        ("otpauth://totp/ann?secret=JBSWY3DPEHPK3PXP&algorithm=SHA256", "totp_algorithm"),
        ("otpauth://totp/ann?secret=JBSWY3DPEHPK3PXP&digits=8", "totp_digits"),
        ("otpauth://totp/ann?secret=JBSWY3DPEHPK3PXP&period=60", "totp_period"),
        ("otpauth://[totp/ann?secret=JBSWY3DPEHPK3PXP", "otpauth_malformed"),
    ],
)
def test_a_seed_that_would_give_other_codes_is_refused(text: str, reason: str) -> None:
    """Taken over in silence, it would lock its owner out at the first login."""
    assert read_seed(text) == Fault("totp", reason)
    assert reason in SENTENCES


def test_csv_that_does_not_close_a_quote_loses_one_line() -> None:
    """A reader that goes on to the next quote would swallow half the file, and take it for one account."""
    text = 'account_id,email\n"ann,a@acme.example\nbob,b@acme.example\ncarol\n'
    assert faults(text, Format.CSV) == [(2, "", "csv_malformed"), (4, "", "columns_count")]
    assert [record.account_id for record in records(text, Format.CSV)] == ["bob"]


def test_a_record_does_not_print_itself() -> None:
    """A traceback in somebody's terminal is a log, too."""
    [entry] = read(f'{{"account_id": "ann", "totp": ["{SEED}"], "email": "ann@acme.example"}}')
    for shown in _shown(entry):
        assert SEED not in shown
        assert "acme" not in shown


def _shown(entry: Entry) -> Iterator[str]:
    yield repr(entry)
    assert isinstance(entry.found, Record)
    yield repr(entry.found)
    yield repr(entry.found.secrets)
    yield repr(entry.found.secrets.seeds[0])


@pytest.mark.parametrize(
    ("name", "kind"), [("a.csv", Format.CSV), ("a.JSONL", Format.JSONL), ("a.ndjson", Format.JSONL)]
)
def test_the_format_is_told_by_the_name(name: str, kind: Format) -> None:
    """And by nothing in the file."""
    assert format_of(Path(name), None) is kind
    assert format_of(Path("a.txt"), kind.value) is kind
    with pytest.raises(UnreadableFile):
        format_of(Path("a.txt"), None)
