"""One mail as bytes: plain text and HTML, headers that machines understand (RFC 5322, RFC 2046, RFC 3834)."""

import binascii
import datetime as dt
import functools
import re
import secrets
from dataclasses import dataclass, field
from email import policy
from email.headerregistry import Address
from email.utils import format_datetime
from typing import Final

from services.notifier.domain.message import RenderedEmail
from shared.secret import Secret

# Stricter than RFC 5321: no quoted local part, no address literal, nothing that a header could read as two addresses.
_ADDRESS: Final = re.compile(r"([^\s<>()\[\],;:\\\"@\x00-\x1f\x7f]{1,64})@([^\s<>()\[\],;:\\\"@\x00-\x1f\x7f]{1,253})")
_DOT_ATOM: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")  # RFC 5322, 3.2.3
_PLAIN: Final = re.compile(r"[!-~][ -~]{0,58}[!-~]")  # fits the line with its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A usable address; the domain is ASCII (IDNA), the local part may need SMTPUTF8 (RFC 6531)."""

    local: str = field(repr=False)
    domain: str = field(repr=False)

    @property
    def address(self) -> str:
        """``local@domain``, as it stands in the envelope."""
        return f"{self.local}@{self.domain}"

    @property
    def is_international(self) -> bool:
        """Whether only a server with SMTPUTF8 can take it."""
        return not self.local.isascii()


def recipient(to: Secret[str]) -> Recipient | None:
    """The address to write to, or ``None`` when it is not one."""
    match = _ADDRESS.fullmatch(to.reveal().strip())
    if match is None:
        return None
    local, domain = match.groups()
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    return Recipient(local=local, domain=ascii_domain)


def build(
    message: RenderedEmail, *, to: Recipient, sender: str, sender_name: str, message_id: str, at: dt.datetime
) -> bytes:
    """The whole mail, CRLF line ends, every line short enough for SMTP.

    Put together by hand: the library's message object took half of all that a mail costs. It still writes the headers
    that are not plain ASCII. Raises `ValueError` for a name or subject of several lines.
    """
    boundary = b"=_" + secrets.token_hex(16).encode()  # no quoted-printable text holds it (RFC 2045, 6.7)
    return b"".join(
        (
            _from(sender_name, sender, is_international=to.is_international),
            _to(to),
            _subject(message.subject, is_international=to.is_international),
            f"Date: {format_datetime(at)}\r\n".encode("ascii"),
            f"Message-ID: <{message_id}>\r\n".encode("ascii"),
            b"Auto-Submitted: auto-generated\r\n",  # RFC 3834, 5: no out-of-office answers to us
            b"MIME-Version: 1.0\r\n",
            b'Content-Type: multipart/alternative;\r\n boundary="', boundary, b'"\r\n\r\n',
            b"--", boundary, _part(b"plain", message.text),
            b"\r\n--", boundary, _part(b"html", message.html),
            b"\r\n--", boundary, b"--\r\n",
        )
    )  # fmt: skip


def _part(subtype: bytes, content: str) -> bytes:
    """What follows a boundary: a text in quoted-printable, so that no line is too long and no server changes it."""
    lines = content.replace("\r\n", "\n").replace("\r", "\n").encode()
    return b"".join(
        (
            b"\r\nContent-Type: text/", subtype, b'; charset="utf-8"\r\n',
            b"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
            binascii.b2a_qp(lines).replace(b"\n", b"\r\n"),
        )
    )  # fmt: skip


@functools.lru_cache(maxsize=1024)
def _from(sender_name: str, sender: str, *, is_international: bool) -> bytes:
    return _written("From", Address(sender_name, addr_spec=sender), is_international=is_international)


def _to(to: Recipient) -> bytes:
    if _DOT_ATOM.fullmatch(to.local):
        return f"To: {to.address}\r\n".encode("ascii")
    return _written("To", Address(username=to.local, domain=to.domain), is_international=to.is_international)


def _subject(subject: str, *, is_international: bool) -> bytes:
    if _PLAIN.fullmatch(subject) and "=?" not in subject:  # which would be read as an encoded word (RFC 2047, 2)
        return f"Subject: {subject}\r\n".encode("ascii")
    return _written("Subject", subject, is_international=is_international)


def _written(name: str, value: str | Address, *, is_international: bool) -> bytes:
    """A header as the library writes it: encoded (RFC 2047) or, where the server takes that, as it is (RFC 6532)."""
    rules = policy.SMTPUTF8 if is_international else policy.SMTP
    _, header = rules.header_store_parse(name, value)
    return str(header.fold(policy=rules)).encode()
