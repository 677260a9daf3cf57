"""The notifier's settings: where mail and SMS are handed in, for live tenants and for sandboxes."""

import enum
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from shared.settings import Environment, Settings


class TlsMode(enum.StrEnum):
    """How the connection is protected. Nothing is negotiated down: a server without STARTTLS is a fault."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, the only one that a secret may be sent to without TLS; names are not resolved."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class NotifierSettings(Settings):
    """A channel without its address is off: its messages wait for an operator.

    A sandbox tenant never reaches a provider. In development its messages may go to simulators on this machine.
    """

    public_url: str = "http://127.0.0.1:8080"
    smtp_host: str | None = None
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 587
    smtp_tls: TlsMode = TlsMode.STARTTLS
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_sender: str = "security@deskfactor.invalid"
    smtp_ca_file: str | None = None
    smtp_connections: Annotated[int, Field(ge=1, le=32)] = 8
    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_sender: str | None = None
    twilio_url: str = "https://api.twilio.com"
    sandbox_smtp_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    sandbox_twilio_url: str | None = None

    @property
    def domain(self) -> str:
        """The site on which codes are typed, for the last line of an SMS."""
        return urlsplit(self.public_url).hostname or "localhost"

    def faults(self) -> Iterator[str]:
        """See `Settings`."""
        yield from super().faults()
        has_simulators = self.sandbox_smtp_port is not None or self.sandbox_twilio_url is not None
        if self.env is Environment.PRODUCTION and has_simulators:
            yield "DESKFACTOR_SANDBOX_SMTP_PORT and DESKFACTOR_SANDBOX_TWILIO_URL are for development"
        if self.sandbox_twilio_url and not is_loopback(urlsplit(self.sandbox_twilio_url).hostname or ""):
            yield "DESKFACTOR_SANDBOX_TWILIO_URL must be on this machine"
        given = [self.twilio_account_sid, self.twilio_auth_token, self.twilio_sender]
        if any(given) and not all(given):
            yield "Twilio needs DESKFACTOR_TWILIO_ACCOUNT_SID, _AUTH_TOKEN and _SENDER"
