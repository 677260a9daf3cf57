"""A tenant's policy."""

import datetime as dt
from uuid import UUID

from services.policy.announcements import SOURCE, policy_view
from services.policy.deps import Deps
from services.policy.domain.requirement import StoredPolicy, has_same_deadlines, may_lock_out_admins, replaced
from services.policy.handlers.acting import may_not_act_at_large
from services.policy.queries.accounts import admins_at_ease, has_active_admin
from services.policy.queries.clocks import hold_clock
from services.policy.queries.policies import lock_policy, read_policy, store_policy
from services.policy.queries.standings import read_standings
from shared.contracts import events
from shared.contracts.commands import AnnounceRequirement, PutPolicy, ReadPolicy
from shared.contracts.envelope import Envelope
from shared.contracts.replies import RefusalCode
from shared.contracts.types import EnforcementState
from shared.db.connection import Connection
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork

_AT_EASE = (EnforcementState.NOT_REQUIRED, EnforcementState.EXEMPT, EnforcementState.SATISFIED)
_ADMINS_LOOKED_AT = 20  # the first is as good as any; the rule has the last word


async def put_policy(message: Envelope[PutPolicy], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """Replace the policy. It holds for logins at once; notices follow page by page, and stale timers go with them."""
    now = await hold_clock(uow.conn, message.tenant_id)
    wanted = message.data
    if (refused := await may_not_act_at_large(uow, message, wanted.acting, now)) is not None:
        return refused
    before = await lock_policy(uow.conn, message.tenant_id)
    stored = replaced(before, wanted.policy, now, saved_by=message.actor, is_immediate=wanted.is_immediate)
    if not wanted.is_forced and await would_lock_out_admins(uow.conn, message.tenant_id, stored, now):
        return refuse(RefusalCode.WOULD_LOCK_OUT_ADMINS)
    await store_policy(uow.conn, message.tenant_id, stored)
    uow.publish(
        message.follow(events.PolicyChanged(version=stored.version, policy=stored.policy), source=SOURCE, at=now)
    )
    if stored.is_required or before.is_required or not has_same_deadlines(before.policy, stored.policy):
        announce = AnnounceRequirement(policy_version=stored.version)
        uow.publish(message.follow(announce, source=SOURCE, at=now))
    return Ok(policy_view(stored))


async def would_lock_out_admins(conn: Connection, tenant_id: UUID, stored: StoredPolicy, now: dt.datetime) -> bool:
    """Whether no active admin would be satisfied, exempt or outside the requirement, of those that there are."""
    if not may_lock_out_admins(stored.policy) or not await has_active_admin(conn, tenant_id):
        return False
    at_ease = await admins_at_ease(conn, tenant_id, now, limit=_ADMINS_LOOKED_AT)
    standings = await read_standings(conn, tenant_id, at_ease)
    return not any(each.under(stored).enforcement_at(now).state in _AT_EASE for each in standings)


async def read_policy_of_tenant(message: Envelope[ReadPolicy], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """The policy, or the default."""
    return Ok(policy_view(await read_policy(uow.conn, message.tenant_id)))
