"""A tenant's own settings: stored by the gateway, read by the others through `gateway.tenant_profiles`."""

import enum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from shared.contracts.notifications import DEFAULT_COLOUR, Colour, Line
from shared.contracts.types import Value

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]  # ISO 3166-1
SmsSender = Annotated[str, StringConstraints(pattern=r"^(\+[1-9][0-9]{6,14}|[A-Za-z0-9 ]{1,11})$")]
HttpsUrl = Annotated[str, StringConstraints(pattern=r"^https://[^\s<>\"'\x00-\x20\x7f]+$", max_length=2008)]
_NOT_AN_APP = frozenset({"javascript", "vbscript", "data", "blob", "file", "about", "ftp", "ws", "wss"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _returns_to_somebody(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme in _NOT_AN_APP or (parts.scheme == "http" and parts.hostname not in _LOOPBACK):
        raise ValueError("https, an app's own scheme, or http to this machine")
    return url


ReturnUrl = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9+.-]{1,30}://[^\s<>\"'\x00-\x20\x7f]+$", max_length=2034),
    AfterValidator(_returns_to_somebody),
]
"""Where a person may be sent back to: a script's address would run as the helpdesk's, and http is anybody's to read."""

IdentityProvider = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]


class AdminProof(enum.StrEnum):
    """Whether calls of admins need the admin's own fresh challenge."""

    OPTIONAL = "optional"
    REQUIRED = "required"


class TenantSettings(Value):
    """What a tenant may say about itself. The defaults are a new tenant's; its name is a column."""

    logo_url: HttpsUrl | None = None
    colour: Colour = DEFAULT_COLOUR
    languages: Annotated[tuple[Language, ...], Field(min_length=1, max_length=20)] = ("en",)
    return_urls: Annotated[tuple[ReturnUrl, ...], Field(max_length=50)] = ()
    from_name: Line | None = None  # of mails; None: the tenant's name
    sms_sender: SmsSender | None = None
    countries: Annotated[tuple[Country, ...], Field(max_length=250)] = ()  # where SMS may go; empty: everywhere
    identity_providers: Annotated[tuple[IdentityProvider, ...], Field(max_length=50)] = ()
    admin_proof: AdminProof = AdminProof.OPTIONAL
