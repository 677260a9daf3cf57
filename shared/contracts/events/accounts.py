"""What happened to accounts as a whole."""

import datetime as dt
from uuid import UUID

from shared.contracts.envelope import Event
from shared.contracts.types import AccountId, EnforcementState, Role


class SessionsShouldEnd(Event):
    type = "sessions.should_end"

    reason: str


class AccountReset(Event):
    """An admin took the second factors off; 0: there were none, and the account stays what it was."""

    type = "account.reset"

    reason: str
    revoked_factors: int = 0
    approver: AccountId | None = None


class AccountUpserted(Event):
    """An account as it is now, without its contacts."""

    type = "account.upserted"

    role: Role
    is_active: bool
    is_sso: bool
    is_new: bool = False
    changed: tuple[str, ...] = ()
    state: EnforcementState | None = None


class AccountErased(Event):
    """The helpdesk deleted the account. Whoever holds something of it forgets it."""

    type = "account.erased"

    erasure_id: UUID
    version: int | None = None


class AccountExported(Event):
    """Somebody took the copy of what is known of the person; who, the envelope says."""

    type = "account.exported"


class AccountPasswordChanged(Event):
    type = "account.password_changed"

    changed_at: dt.datetime
