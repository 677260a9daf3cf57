"""Recoveries and what their timers fire, to policy."""

from shared.contracts.commands.request import Request
from shared.contracts.envelope import Command
from shared.contracts.types import Acting, Context, RecoveryId, Sealed

_POLICY_REQUESTS = "policy.requests"
_POLICY_COMMANDS = "policy.commands"


class StartRecovery(Request):
    """The person lost the device. Answer: `RecoveryView` with the challenge that proves the mailbox."""

    type = "start_recovery"
    lane = _POLICY_REQUESTS

    context: Context = Context()


class ReadRecovery(Request):
    """The account's newest recovery request, or the one of this id. Answer: `RecoveryView`."""

    type = "read_recovery"
    lane = _POLICY_REQUESTS

    recovery_id: RecoveryId | None = None


class CancelRecovery(Request):
    """Stop a recovery: the person, by a link's `token` or signed in; `is_attack`: "this was not me".

    Answer: `RecoveryView`.
    """

    type = "cancel_recovery"
    lane = _POLICY_REQUESTS

    recovery_id: RecoveryId
    token: Sealed | None = None  # ring seal.policy, typed_place(tenant, recovery id, "token")
    is_attack: bool = False
    acting: Acting | None = None  # an admin stops it


class DenyRecovery(Request):
    """An admin refuses a recovery. Answer: `RecoveryView`."""

    type = "deny_recovery"
    lane = _POLICY_REQUESTS

    recovery_id: RecoveryId
    reason: str
    acting: Acting | None = None


class ConcludeRecovery(Command):
    """otp_worker has executed a recovery, or refused because a real success came after it was asked for."""

    type = "conclude_recovery"
    lane = _POLICY_COMMANDS

    recovery_id: RecoveryId
    is_executed: bool
    revoked_factors: int = 0


class RemindOfRecovery(Command):
    """A notice of a waiting recovery is due: `stage` is ``half_time`` or ``last_hour``."""

    type = "remind_of_recovery"
    lane = _POLICY_COMMANDS

    recovery_id: RecoveryId
    stage: str


class FinishRecovery(Command):
    """The waiting period of a recovery may be over."""

    type = "finish_recovery"
    lane = _POLICY_COMMANDS

    recovery_id: RecoveryId


class ExpireRecovery(Command):
    """The draft of a recovery was not proved in time."""

    type = "expire_recovery"
    lane = _POLICY_COMMANDS

    recovery_id: RecoveryId
