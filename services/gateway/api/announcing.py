"""The few things that the gateway does itself: one transaction with what it announces, as in every service."""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from services.gateway.api.call import SOURCE, Call, Outcome, Said
from services.gateway.problems import Problem
from shared.contracts.envelope import Envelope, Event, begin
from shared.contracts.replies import RefusalCode
from shared.contracts.types import RequestKey
from shared.crypto.sealing import open_bytes, reply_place, seal_bytes
from shared.db.tenant_time import tenant_now
from shared.messaging.answers import AnsweredMeanwhile, StoredAnswer, load_answers
from shared.messaging.outbox import insert_messages
from shared.messaging.said import insert_said
from shared.messaging.unit_of_work import UnitOfWork, outbox_row


@contextlib.asynccontextmanager
async def announce(call: Call[Any, Any]) -> AsyncIterator[UnitOfWork]:
    """A transaction of the caller's tenant; what is published in it leaves with the commit."""
    async with call.deps.database.transaction([call.tenant_id]) as conn:
        uow = UnitOfWork(conn)
        yield uow
        rows = [outbox_row(envelope) for envelope in uow.published]
        if rows:
            rows = await insert_messages(conn, rows)
    call.deps.relay.hand_over(rows)


async def event_of(call: Call[Any, Any], uow: UnitOfWork, data: Event, *, admin: str | None = None) -> Envelope[Event]:
    """A fact that the gateway itself made true. ``admin``: the account id of who acts through the key."""
    return begin(
        data,
        tenant_id=call.tenant_id,
        account_id=None,
        actor=f"admin:{admin}" if admin else call.caller.actor,
        source=SOURCE,
        at=await tenant_now(uow.conn, call.tenant_id),
        correlation_id=call.correlation_id,
    )


async def answered(call: Call[Any, Any]) -> Outcome | None:
    """What the request's Idempotency-Key was answered before: what is checked first must not refuse it now."""
    key = call.key
    assert key is not None
    async with call.deps.database.transaction([call.tenant_id]) as conn:
        stored = await load_answers(conn, [(call.tenant_id, key.scope, key.key)])
    return _again(call, key, stored[0]) if stored else None


async def once(
    call: Call[Any, Any],
    decide: Callable[[UnitOfWork], Awaitable[Outcome]],
    *,
    refuses_again: Callable[[UnitOfWork], Awaitable[Problem | None]] | None = None,
) -> Outcome:
    """Decide under the request's Idempotency-Key: the answer is stored with the decision and given again.

    Answers that hold a secret: all that the gateway gives itself do. Two at once: the second one waits on the first
    one's unique key, is rolled back, and reads the answer. ``refuses_again``: asked before it is given again.
    """
    key = call.key
    assert key is not None
    try:
        return await _once(call, key, decide, refuses_again)
    except AnsweredMeanwhile:
        return await _once(call, key, decide, refuses_again)


async def _once(
    call: Call[Any, Any],
    key: RequestKey,
    decide: Callable[[UnitOfWork], Awaitable[Outcome]],
    refuses_again: Callable[[UnitOfWork], Awaitable[Problem | None]] | None,
) -> Outcome:
    async with announce(call) as uow:
        stored = await load_answers(uow.conn, [(call.tenant_id, key.scope, key.key)])
        if stored:
            problem = await refuses_again(uow) if refuses_again is not None else None
            return problem or _again(call, key, stored[0])
        outcome = await decide(uow)
        if isinstance(outcome, Said):
            place = reply_place(call.tenant_id, key.scope, key.key)
            reply = seal_bytes(call.deps.answers, json.dumps(dict(outcome.data)).encode(), place).encode()
            answer = StoredAnswer(
                tenant_id=call.tenant_id,
                scope=key.scope,
                key=key.key,
                fingerprint=key.fingerprint.encode(),
                reply=reply,
                holds_secret=True,
            )
            await insert_said(uow.conn, [answer], [])
    return outcome


def _again(call: Call[Any, Any], key: RequestKey, stored: StoredAnswer) -> Outcome:
    if stored.fingerprint != key.fingerprint.encode():
        return Problem(code=RefusalCode.IDEMPOTENCY_KEY_REUSED)
    if not stored.reply:
        return Problem(code=RefusalCode.ALREADY_ANSWERED)
    place = reply_place(call.tenant_id, key.scope, key.key)
    return Said(json.loads(open_bytes(call.deps.answers, stored.reply.decode(), place)))
