"""A mail as bytes: what machines on the way and the reader's program must understand."""

import datetime as dt
from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli.simulators.received_mail import ReceivedMail, read_mail
from services.notifier.adapters import mime
from services.notifier.domain.message import RenderedEmail
from shared.secret import Secret

AT = dt.datetime(2026, 3, 1, 9, 0, tzinfo=dt.UTC)
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=300)


def built(
    subject: str = "A code", text: str = "text\n", html: str = "<p>html</p>\n", *, to: str = "ann@acme.example",
    name: str = "Acme",
) -> bytes:  # fmt: skip
    """A mail to ann."""
    recipient = mime.recipient(Secret(to))
    assert recipient is not None
    message = RenderedEmail(subject=subject, text=text, html=html)
    return mime.build(message, to=recipient, sender="no-reply@desk.test", sender_name=name, message_id="1@x", at=AT)


def read(content: bytes) -> ReceivedMail:
    """As the reader's program does."""
    return read_mail(content, to="", sender="", at=AT)


def test_a_mail_is_well_formed() -> None:
    """A parser that finds nothing wrong: servers score what they have to guess as spam."""
    parsed = message_from_bytes(built(), policy=policy.default)
    assert [each.defects for each in parsed.walk()] == [[], [], []]
    assert [each.get_content_type() for each in parsed.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert parsed["Date"].datetime == AT
    assert dict(read(built()).headers) | {"Content-Type": ""} == {
        "From": "Acme <no-reply@desk.test>",
        "To": "ann@acme.example",
        "Subject": "A code",
        "Date": "Sun, 01 Mar 2026 09:00:00 +0000",
        "Message-ID": "<1@x>",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": "",
    }


@settings(deadline=None)
@given(text=LINES, html=LINES)
def test_any_text_comes_back_as_it_was_and_no_line_is_too_long(text: str, html: str) -> None:
    """Names of helpdesks and people are in any script; a line of over 998 octets is refused (RFC 5322, 2.1.1)."""
    content = built(text=text, html=html)
    assert (read(content).text, read(content).html) == (text, html)
    assert max(map(len, content.split(b"\r\n"))) <= 78
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert content.isascii()


@pytest.mark.parametrize(
    "subject",
    [
        "123456 is your code",
        "Grüße: 123456",
        "=?utf-8?q?not_encoded?=",
        "a",
        "x" * 60,
        "a long subject of many words " * 6 + "end",
        "日本語の件名" * 20,
    ],
)
def test_a_subject_comes_back_as_it_was(subject: str) -> None:
    """It holds the tenant's name, whatever the length and the script; one that looks encoded is not decoded twice."""
    content = built(subject)
    if "=?" not in subject:
        assert read(content).subject == subject
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 78


@pytest.mark.parametrize("name", ["Acme", "Ümlaut, Desk & Co", 'The "Desk"', "名前"])
def test_a_senders_name_comes_back_as_it_was(name: str) -> None:
    """The person knows the helpdesk by it."""
    parsed = message_from_bytes(built(name=name), policy=policy.default)
    assert [(each.display_name, each.addr_spec) for each in parsed["From"].addresses] == [(name, "no-reply@desk.test")]


@pytest.mark.parametrize("to", ["a.b+c@acme.example", "..ann.@acme.example", "ann@bücher.example"])
def test_an_address_stands_in_its_header_as_it_does_in_the_envelope(to: str) -> None:
    """A local part that is no dot-atom is quoted there (RFC 5322, 3.4.1)."""
    recipient = mime.recipient(Secret(to))
    assert recipient is not None
    parsed = message_from_bytes(built(to=to), policy=policy.default)
    assert [(each.username, each.domain) for each in parsed["To"].addresses] == [(recipient.local, recipient.domain)]


def test_what_is_beyond_ascii_is_raw_only_for_a_server_that_takes_it() -> None:
    """To a mailbox with umlauts everything is UTF-8 (RFC 6532); to any other nothing is."""
    assert "To: pelé@acme.example\r\nSubject: Grüße\r\n".encode() in built("Grüße", to="pelé@acme.example")


@pytest.mark.parametrize("broken", ["a\r\nBcc: eve@x.example", "a\nb", "a\rb"])
def test_a_subject_or_name_of_several_lines_is_an_error(broken: str) -> None:
    """It would be another header."""
    with pytest.raises(ValueError, match=r"(?i)linefeed|CR or LF"):
        built(broken)
    with pytest.raises(ValueError, match=r"(?i)linefeed|CR or LF"):
        built(name=broken)
