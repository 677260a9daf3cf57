"""Whether sessions that were begun may go on."""

import datetime as dt

from services.policy.domain.standing import Standing
from shared.contracts.replies import GateView
from shared.contracts.types import EnforcementState


def gate_of(standing: Standing, sessions_valid_from: dt.datetime | None, now: dt.datetime) -> GateView:
    """Closed for who would not be let in. Who must only enrol at the next login goes on until then, in a session
    that began after ``sessions_valid_from``: a reset or a recovery has moved that.
    """
    state = standing.enforcement_at(now).state
    if not standing.account.is_active:
        allowed, reason = False, "account_inactive"
    elif state is EnforcementState.LOCKED_OUT:
        allowed, reason = False, "deadline_passed"
    else:
        allowed, reason = True, state.value
    return GateView(allowed=allowed, reason=reason, state=state, sessions_valid_from=sessions_valid_from)
