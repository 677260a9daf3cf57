"""Trying a policy out: who would be locked out, or have to enrol, and when."""

from services.policy.deps import Deps
from services.policy.domain.preview import Preview
from services.policy.domain.requirement import replaced
from services.policy.handlers.acting import may_not_act_at_large
from services.policy.handlers.policies import would_lock_out_admins
from services.policy.queries.policies import read_policy
from services.policy.queries.previews import previewed_after
from shared.contracts.commands import PreviewPolicy
from shared.contracts.envelope import Envelope
from shared.db.tenant_time import tenant_now
from shared.messaging.outcome import Ok, Outcome
from shared.messaging.unit_of_work import UnitOfWork

PAGE = 2_000  # accounts read at once: some ten milliseconds of work, after which others are answered


async def preview_policy(message: Envelope[PreviewPolicy], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """Read every account, lock none, store nothing."""
    conn, tenant_id = uow.conn, message.tenant_id
    now = await tenant_now(conn, tenant_id)
    if (refused := await may_not_act_at_large(uow, message, message.data.acting, now)) is not None:
        return refused
    before = await read_policy(conn, tenant_id)
    after = replaced(before, message.data.policy, now, is_immediate=message.data.is_immediate)
    preview, cursor = Preview(before, after, now), ""
    while page := await previewed_after(conn, tenant_id, cursor, limit=PAGE):
        for account in page:
            preview.add(account)
        cursor = page[-1].account_id
    locks_out = await would_lock_out_admins(conn, tenant_id, after, now)
    return Ok(preview.result(would_lock_out_admins=locks_out))
