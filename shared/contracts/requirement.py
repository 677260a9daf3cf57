"""What a policy was before: the notice that people were given outlives the policy that gave it.

policy stores it, otp_worker reads it through `policy.login_facts`; both decide by it (`shared.rules.enforcement`).
"""

import datetime as dt
from dataclasses import dataclass

from pydantic import TypeAdapter

from shared.contracts.policy import Policy


@dataclass(frozen=True, slots=True)
class EarlierPolicy:
    """A policy that was in force until `replaced_at`, as far as deadlines come from it."""

    policy: Policy
    replaced_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Covered:
    """A role's time under a requirement; `until` None: still.

    `resumed_at`: since when it holds after it did not; None where a day's notice of that is not owed. `paused`: what
    was in force when it last ended.
    """

    since: dt.datetime
    until: dt.datetime | None = None
    resumed_at: dt.datetime | None = None
    paused: EarlierPolicy | None = None


COVERED: TypeAdapter[Covered] = TypeAdapter(Covered)
EARLIER: TypeAdapter[tuple[EarlierPolicy, ...]] = TypeAdapter(tuple[EarlierPolicy, ...])
