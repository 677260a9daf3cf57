"""A tenant's policy."""

from services.policy.announcements import SOURCE, policy_view
from services.policy.deps import Deps
from services.policy.domain.requirement import replaced
from services.policy.queries.clocks import hold_clock
from services.policy.queries.policies import lock_policy, read_policy, store_policy
from shared.contracts import events
from shared.contracts.commands import AnnounceRequirement, PutPolicy, ReadPolicy
from shared.contracts.envelope import Envelope
from shared.messaging.outcome import Ok, Outcome
from shared.messaging.unit_of_work import UnitOfWork


async def put_policy(message: Envelope[PutPolicy], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """Replace the policy. It holds for logins at once; notices follow page by page, and stale timers go with them."""
    now = await hold_clock(uow.conn, message.tenant_id)
    before = await lock_policy(uow.conn, message.tenant_id)
    stored = replaced(before, message.data.policy, now)
    await store_policy(uow.conn, message.tenant_id, stored)
    uow.publish(
        message.follow(events.PolicyChanged(version=stored.version, policy=stored.policy), source=SOURCE, at=now)
    )
    if stored.is_required or before.is_required:
        announce = AnnounceRequirement(policy_version=stored.version)
        uow.publish(message.follow(announce, source=SOURCE, at=now))
    return Ok(policy_view(stored))


async def read_policy_of_tenant(message: Envelope[ReadPolicy], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """The policy, or the default."""
    return Ok(policy_view(await read_policy(uow.conn, message.tenant_id)))
