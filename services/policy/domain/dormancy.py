"""Factors of an account that signs in through SSO: dormant, and over when nobody has used one for long.

They guard the password beside SSO, and are there again when the account comes back. One that nobody has used for 90
days is a key that nobody looks for any more.
"""

import datetime as dt

from services.policy.domain.standing import Standing
from services.policy.domain.timer import Timer
from shared.contracts.commands import EndDormancy

DORMANT_FOR = dt.timedelta(days=90)


def dormant_until(standing: Standing) -> dt.datetime | None:
    """Since it came under SSO, or since a factor was used there; None: there is nothing that lies dormant."""
    account = standing.account
    if not account.is_sso or account.sso_since is None or standing.held_factors == 0:
        return None
    return max(account.sso_since, standing.last_success_at or account.sso_since) + DORMANT_FOR


def dormancy_timers(standing: Standing) -> list[Timer]:
    """What looks at the end of that time whether it is over."""
    at, account_id = dormant_until(standing), standing.account.account_id
    if at is None:
        return []
    return [Timer(command=EndDormancy(), account_id=account_id, subject=dormancy_subject(account_id), at=at)]


def dormancy_subject(account_id: str) -> str:
    """The timer's, to cancel it by."""
    return f"{account_id}/dormant"
