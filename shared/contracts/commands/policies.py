"""What a tenant requires, of all or of one account, and what its timers fire; to policy."""

import datetime as dt

from shared.contracts.commands.request import Request
from shared.contracts.envelope import Command
from shared.contracts.policy import WholePolicy
from shared.contracts.types import Acting

_POLICY_REQUESTS = "policy.requests"
_POLICY_PREVIEWS = "policy.previews"
_POLICY_COMMANDS = "policy.commands"
_POLICY_DEADLINES = "policy.deadlines"


class PutPolicy(Request):
    """Replace the tenant's policy. Answer: `PolicyView`."""

    type = "put_policy"
    lane = _POLICY_REQUESTS

    policy: WholePolicy
    acting: Acting | None = None
    is_forced: bool = False  # though no admin could sign in after the deadline
    is_immediate: bool = False  # a nearer deadline leaves nobody the day that it else does


class PreviewPolicy(Request):
    """What `PutPolicy` would do, without doing it. Answer: `PolicyPreview`."""

    type = "preview_policy"
    lane = _POLICY_PREVIEWS

    policy: WholePolicy
    acting: Acting | None = None
    is_immediate: bool = False


class ReadPolicy(Request):
    """The tenant's policy. Answer: `PolicyView`."""

    type = "read_policy"
    lane = _POLICY_REQUESTS


class Unlock(Request):
    """An admin opens a locked-out account until `hours` from now. Answer: `AccountView`."""

    type = "unlock"
    lane = _POLICY_REQUESTS

    hours: int
    reason: str
    acting: Acting | None = None


class ChangeEnforcement(Request):
    """Require or exempt one account, or extend its deadline. Answer: `AccountView`.

    `given` names what the request held: the rest stays, None ends what there is.
    """

    type = "change_enforcement"
    lane = _POLICY_REQUESTS

    given: tuple[str, ...]
    required: bool | None = None
    exempt_until: dt.datetime | None = None
    extended_until: dt.datetime | None = None
    reason: str
    acting: Acting | None = None


class ClearEnforcement(Request):
    """Nothing is required of or granted to one account alone any more. Answer: `AccountView`."""

    type = "clear_enforcement"
    lane = _POLICY_REQUESTS

    reason: str
    acting: Acting | None = None


class AnnounceRequirement(Command):
    """A requirement started: give notice to the accounts after `after`, a page at a time."""

    type = "announce_requirement"
    lane = _POLICY_COMMANDS

    policy_version: int
    after: str | None = None


class RemindOfEnforcement(Command):
    """A reminder is due, if it is still true: `stage` is ``7d``, ``3d``, ``1d`` or ``1h``."""

    type = "remind_of_enforcement"
    lane = _POLICY_DEADLINES

    stage: str
    deadline: dt.datetime


class LockOutAccount(Command):
    """A deadline has passed: lock out, if the account has no factor by now."""

    type = "lock_out_account"
    lane = _POLICY_DEADLINES

    deadline: dt.datetime


class ReviewEnforcement(Command):
    """An exemption may be over: give the notice that is due."""

    type = "review_enforcement"
    lane = _POLICY_COMMANDS


class EndDormancy(Command):
    """An account may have been under SSO for so long, without a factor being used, that its factors end."""

    type = "end_dormancy"
    lane = _POLICY_COMMANDS
