"""A mail as its reader sees it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMail:
    """One delivered mail. ``to`` and ``sender`` are the envelope's."""

    to: str = field(repr=False)
    sender: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    at: dt.datetime


def read_mail(content: bytes, *, to: str, sender: str, at: dt.datetime) -> ReceivedMail:
    """One delivered mail, decoded; line ends are newlines, a missing part is empty."""
    mail = message_from_bytes(content, _class=EmailMessage, policy=policy.default)
    return ReceivedMail(
        to=to,
        sender=sender,
        subject=str(mail["Subject"] or "").strip(),  # a long one begins on the line after its name
        text=_part(mail, "plain"),
        html=_part(mail, "html"),
        headers={name: str(value) for name, value in mail.items()},
        at=at,
    )


def _part(mail: EmailMessage, subtype: str) -> str:
    body = mail.get_body((subtype,))
    return str(body.get_content()).replace("\r\n", "\n") if body is not None else ""
