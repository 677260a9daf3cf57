"""May the sessions go on that an account has at the helpdesk."""

from collections.abc import Sequence

from services.policy.deps import Deps
from services.policy.domain.gate import gate_of
from services.policy.queries.sessions import read_sessions_valid_from, record_ends_of_sessions
from services.policy.queries.standings import read_standing
from shared.contracts import events
from shared.contracts.commands import ReadGate
from shared.contracts.envelope import Envelope
from shared.contracts.replies import RefusalCode
from shared.db.tenant_time import tenant_now
from shared.messaging.outcome import Done, ListOutcome, Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork

LOCKED_OUT = "enforcement_locked_out"
"""Why sessions end of which it is recorded with the lock: said, for others, but no news here."""


async def read_gate(message: Envelope[ReadGate], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """As it is now; what is cached of it may be a minute old."""
    standing = await read_standing(uow.conn, message.tenant_id, message.account_id)
    if standing is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    now = await tenant_now(uow.conn, message.tenant_id)
    valid_from = await read_sessions_valid_from(uow.conn, message.tenant_id, standing.account.account_id)
    return Ok(gate_of(standing, valid_from, now))


async def sessions_should_end(
    messages: Sequence[Envelope[events.SessionsShouldEnd]], uow: UnitOfWork, _deps: Deps
) -> Sequence[ListOutcome]:
    """Whoever said so, and in whatever order it arrives: sessions begun before are over."""
    ended = [((message.tenant_id, message.account_id or ""), message.time) for message in messages]
    await record_ends_of_sessions(uow.conn, ended)
    return [Done() for _ in messages]


def is_news(message: Envelope[events.SessionsShouldEnd]) -> bool:
    """Whether this end was not recorded by whoever said so."""
    return message.data.reason != LOCKED_OUT
