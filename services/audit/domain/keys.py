"""Under which key a payload rests, and what stands for an account in the chain."""

import datetime as dt
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedAccount:
    """An account that was erased at `erased_at` (tenant time); `is_there`: its id was given to a new one since."""

    erased_at: dt.datetime
    is_there: bool

    def has(self, at: dt.datetime) -> bool:
        """Whether what happened at ``at`` happened to the one that is gone."""
        return at <= self.erased_at or not self.is_there
