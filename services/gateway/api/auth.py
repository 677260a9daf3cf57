"""Who calls, and what they may: a tenant and its scopes, as an API key or a publisher on the broker brings them."""

import datetime as dt
import enum
import functools
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.gateway.problems import HttpCode, Problem
from services.gateway.queries.api_keys import FoundKey


class KeyScope(enum.StrEnum):
    """What a key may be for."""

    LOGINS = "logins"
    ACCOUNTS_WRITE = "accounts:write"
    ACCOUNTS_PRIVILEGED = "accounts:privileged"  # role, sso, active
    FACTORS_WRITE = "factors:write"
    ADMIN = "admin"
    POLICY_WRITE = "policy:write"
    AUDIT_READ = "audit:read"
    REPORTS = "reports"
    KEYS = "keys"


class May(enum.Enum):
    """Who may call, where it is no question of scopes."""

    ANYONE = "anyone"
    ANY_KEY = "any key"


Allowed = tuple[KeyScope, ...] | May
"""Any one of the scopes, or one of the two."""


class Speaker(Protocol):
    """Who says something for a tenant: the holder of an API key, or the tenant's publisher on the broker."""

    @property
    def tenant_id(self) -> UUID:
        """Whose word it is."""
        ...

    @property
    def is_sandbox(self) -> bool:
        """Whether that is a tenant for trying things out."""
        ...

    @property
    def actor(self) -> str:
        """As the audit log names it."""
        ...

    def may(self, scope: KeyScope) -> bool:
        """Whether that may be said."""
        ...


@dataclass(frozen=True, kw_only=True)
class Caller:
    """An API key and its tenant. Made once for all requests with it: what is said of it is kept, too."""

    tenant_id: UUID
    key_id: UUID
    scopes: frozenset[str]
    is_sandbox: bool
    is_suspended: bool = False
    expires_at: dt.datetime | None = None  # system time

    @functools.cached_property
    def actor(self) -> str:
        """As the audit log names it."""
        return f"api_key:{self.key_id}"

    @functools.cached_property
    def logged_as(self) -> str:
        """As the line of a request names it: ids only."""
        return f"{self.tenant_id} {self.actor}"

    def may(self, scope: KeyScope) -> bool:
        """Whether the key has the scope."""
        return scope in self.scopes


def caller_of(found: FoundKey) -> Caller:
    """Who calls with this key; whether it is good is judged at each use."""
    return Caller(
        tenant_id=found.tenant_id,
        key_id=found.key_id,
        scopes=found.scopes,
        is_sandbox=found.is_sandbox,
        is_suspended=found.is_suspended,
        expires_at=found.expires_at,
    )


def judge_key(caller: Caller, now: dt.datetime) -> Caller | Problem:
    """Whether a key that exists may be used at ``now``."""
    if caller.expires_at is not None and caller.expires_at <= now:
        return Problem(code=HttpCode.KEY_EXPIRED)
    if caller.is_suspended:
        return Problem(code=HttpCode.TENANT_SUSPENDED)
    return caller


def forbids(allowed: Allowed, caller: Caller) -> Problem | None:
    """The problem of a caller without any of the scopes."""
    if isinstance(allowed, May) or not caller.scopes.isdisjoint(allowed):
        return None
    needed = " or ".join(f"`{scope}`" for scope in allowed)
    return Problem(code=HttpCode.FORBIDDEN_SCOPE, detail=f"The API key lacks the scope {needed}.")
