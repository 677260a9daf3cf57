"""Under which key a payload rests, and what stands for an account in the chain."""

from dataclasses import dataclass, field
from uuid import UUID

Owner = tuple[UUID, str | None]
"""Whose payload it is: tenant and account; None for what concerns no account, which rests under the tenant's key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    """An account's data key at rest, and the salt of its pseudonym."""

    tenant_id: UUID
    account_id: str
    salt: bytes = field(repr=False)
    pseudonym: bytes
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PayloadKey:
    """A data key ready to use, and the pseudonym of its account; None for a tenant's own key."""

    key: bytes = field(repr=False)
    pseudonym: bytes | None
