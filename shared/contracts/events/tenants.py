"""What happened to a tenant, its keys and its access."""

import datetime as dt

from shared.contracts.envelope import Event
from shared.contracts.tenant import AdminProof
from shared.contracts.types import PermitId


class ClockMoved(Event):
    """A sandbox tenant's clock went forward."""

    type = "sandbox.clock_moved"

    advance_seconds: int


class TenantCreated(Event):
    type = "tenant.created"

    name: str
    is_sandbox: bool


class TenantChanged(Event):
    """Settings are others now: by an admin, or by an operator, who gives a `reason`."""

    type = "tenant.changed"

    changed: tuple[str, ...]
    admin_proof: AdminProof | None = None  # what it is from here on, if it is another
    reason: str | None = None


class TenantSuspended(Event):
    type = "tenant.suspended"


class TenantResumed(Event):
    type = "tenant.resumed"


class TenantImportStarted(Event):
    """The operator takes accounts over from another system. What follows from it has its id as correlation id."""

    type = "tenant.import_started"

    import_id: PermitId


class TenantImported(Event):
    """An import came to its end; `refused` are lines of which something was not taken over."""

    type = "tenant.imported"

    import_id: PermitId
    accounts: int
    refused: int
    factors: int
    backup_codes: int


class TenantExported(Event):
    """The operator takes a copy of everything that moves, sealed to the public key `recipient`."""

    type = "tenant.exported"

    export_id: PermitId
    recipient: str
    reason: str


class ApiKeyCreated(Event):
    type = "api_key.created"

    key_id: str
    scopes: tuple[str, ...]


class ApiKeyRevoked(Event):
    type = "api_key.revoked"

    key_id: str


class BrokerAccessGranted(Event):
    """The tenant may publish on the broker and read its events there, or has a new password for it."""

    type = "broker_access.granted"

    username: str
    is_rotated: bool = False


class BrokerAccessRevoked(Event):
    type = "broker_access.revoked"

    username: str


class AuditExported(Event):
    """Somebody began to take the audit log away, from `after` to `before`, both exclusive; who, the envelope says."""

    type = "audit.exported"

    format: str
    after: int
    before: int


class AuditHead(Event):
    """A signed head of a tenant's chain: whoever keeps it can prove that nothing before it was cut off."""

    type = "audit.head"

    seq: int
    hash: str
    signed_at: dt.datetime
    key_id: str
    signature: str
