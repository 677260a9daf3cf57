"""Everything that policy decides about one account by."""

import datetime as dt
import functools
from dataclasses import dataclass, replace

from services.policy.domain.account import Account, latest
from services.policy.domain.requirement import StoredPolicy
from shared.contracts.policy import Policy
from shared.contracts.requirement import Covered, EarlierPolicy
from shared.contracts.types import EnforcementState
from shared.rules.enforcement import Enforcement, EnforcementFacts, enforcement_of


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An account, its tenant's policy, its factors, and what it was told already. Read under the account's lock, it is
    the truth until the commit.
    """

    account: Account
    policy: Policy = Policy()
    policy_version: int = 0  # 0: the default, which nobody saved
    policy_saved_by: str | None = None
    policy_saved_at: dt.datetime | None = None
    covered: Covered | None = None  # the account's role, by the policy
    earlier: tuple[EarlierPolicy, ...] = ()
    is_individually_required: bool = False
    individually_required_since: dt.datetime | None = None
    individually_required_until: dt.datetime | None = None  # taken back then
    was_individually_overdue: bool = False  # by then
    individually_resumed_at: dt.datetime | None = None  # set again: a day's notice is owed
    exempt_until: dt.datetime | None = None
    extended_until: dt.datetime | None = None
    must_enrol_since: dt.datetime | None = None
    announced_at: dt.datetime | None = None
    announced_deadline: dt.datetime | None = None
    locked_out_at: dt.datetime | None = None
    was_satisfied: bool = False
    last_success_at: dt.datetime | None = None  # with a factor of ours
    held_factors: int = 0  # active or suspended
    has_email_factor: bool = False

    @functools.cached_property
    def facts(self) -> EnforcementFacts:
        """The account as the shared rule sees it; asked for by the verdict and by what is said of it."""
        account, covered = self.account, self.covered
        return EnforcementFacts(
            role=account.role,
            is_active=account.is_active,
            is_sso=account.is_sso,
            held_factors=self.held_factors,
            was_satisfied=self.was_satisfied,
            subject_since=account.subject_since,
            required_since=covered.since if covered is not None else None,
            resumed_at=covered.resumed_at if covered is not None else None,
            paused=covered.paused if covered is not None else None,
            earlier=self.earlier,
            is_individually_required=self.is_individually_required,
            individually_required_since=self.individually_required_since,
            exempt_until=self.exempt_until,
            extended_until=self.extended_until,
            must_enrol_since=self.must_enrol_since,
            notice_from=latest(account.returned_at, self.individually_resumed_at),
        )

    def under(self, stored: StoredPolicy) -> "Standing":
        """The same account under another policy of its tenant."""
        covered = stored.requirements.get(self.account.role)
        return replace(
            self,
            policy=stored.policy,
            policy_version=stored.version,
            policy_saved_by=stored.saved_by,
            policy_saved_at=stored.updated_at,
            covered=covered,
            earlier=stored.earlier,
        )

    def enforcement_at(self, now: dt.datetime) -> Enforcement:
        """Where the account stands at ``now`` (tenant time)."""
        return enforcement_of(self.policy, self.facts, now)

    def is_overdue_at(self, now: dt.datetime) -> bool:
        """Whether a deadline is over, but for the day that a return gives: to come back again gives no other."""
        state = enforcement_of(self.policy, replace(self.facts, notice_from=None), now).state
        return state in (EnforcementState.LOCKED_OUT, EnforcementState.MUST_ENROL)
