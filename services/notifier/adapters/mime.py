"""One mail as bytes: plain text and HTML, headers that machines understand (RFC 5322, RFC 2046, RFC 3834)."""

import datetime as dt
import re
from dataclasses import dataclass, field
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from services.notifier.domain.message import RenderedEmail
from shared.secret import Secret

# Stricter than RFC 5321: no quoted local part, no address literal, nothing that a header could read as two addresses.
_ADDRESS: Final = re.compile(r"([^\s<>()\[\],;:\\\"@\x00-\x1f\x7f]{1,64})@([^\s<>()\[\],;:\\\"@\x00-\x1f\x7f]{1,253})")


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
    """The whole mail, CRLF line ends, every line short enough for SMTP."""
    mail = EmailMessage(policy=policy.SMTPUTF8 if to.is_international else policy.SMTP)
    mail["From"] = Address(sender_name, addr_spec=sender)
    mail["To"] = Address(username=to.local, domain=to.domain)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{message_id}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834, 5: no out-of-office answers to us
    mail.set_content(message.text, cte="quoted-printable")
    mail.add_alternative(message.html, subtype="html", cte="quoted-printable")
    return mail.as_bytes()
