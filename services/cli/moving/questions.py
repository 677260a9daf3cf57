"""Asks the services from the operator's host, as the gateway does, and asks again when no answer came.

The same key each time: what was done already is answered from what was stored, so nothing is done twice.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from services.cli.operator import SOURCE, actor, operator_database
from services.cli.settings import OperatorSettings
from shared.clock import host_now, monotonic
from shared.contracts.codec import encode
from shared.contracts.commands import Request
from shared.contracts.envelope import Envelope, begin
from shared.contracts.replies import Refusal, RefusalCode
from shared.crypto.keyring import KeyRing, load_ring
from shared.db.pool import Database
from shared.messaging.answering import OpenedAnswer, open_answer
from shared.messaging.bus import Bus, Exchange, NoReply, Outgoing, Unavailable
from shared.process import open_bus

PATIENCE = 60.0  # seconds without an answer, after which the services are down
_WAIT_FOR_ANSWER = dt.timedelta(seconds=10)
_CONNECTIONS = 8
_PAUSE = 0.5  # seconds before asking again

_FOR_NOW = frozenset({RefusalCode.UNAVAILABLE, RefusalCode.KEY_MISSING, RefusalCode.INTERNAL_ERROR})


class ServicesDown(Exception):
    """No answer came for a minute; the text says from which lane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """For one tenant, by one operator; all that follows from it has one correlation id."""

    bus: Bus
    answers: KeyRing  # seal.gateway
    tenant_id: UUID
    correlation_id: UUID

    async def ask(self, request: Request, *, gives_up_on_errors: bool = False) -> Mapping[str, object] | Refusal:
        """The answer's data, or the refusal. ``gives_up_on_errors``: whoever asks can ask for less at once.

        Raises `ServicesDown`.
        """
        envelope = begin(
            request,
            tenant_id=self.tenant_id,
            account_id=None,
            actor=actor(),
            source=SOURCE,
            at=host_now(),
            correlation_id=self.correlation_id,
        )
        passing = _FOR_NOW - {RefusalCode.INTERNAL_ERROR} if gives_up_on_errors else _FOR_NOW
        started = monotonic()
        while True:
            answer = await self._once(envelope)
            if answer is not None and answer.refusal is None:
                return answer.data or {}
            if answer is not None and answer.refusal is not None and answer.refusal.code not in passing:
                return answer.refusal
            if monotonic() - started > PATIENCE:
                if answer is not None and answer.refusal is not None:
                    return answer.refusal
                raise ServicesDown(f"no answer on the lane {request.lane}")
            await asyncio.sleep(_PAUSE)

    async def _once(self, envelope: Envelope[Request]) -> OpenedAnswer | None:
        """None: no answer came."""
        outgoing = Outgoing(
            message_id=envelope.id,
            exchange=Exchange.COMMANDS,
            routing_key=envelope.data.lane,
            body=encode(envelope),
            expires_at=host_now() + _WAIT_FOR_ANSWER,
        )
        try:
            return open_answer(self.answers, envelope, await self.bus.request(envelope.data.lane, outgoing))
        except (NoReply, Unavailable):
            return None


@contextlib.asynccontextmanager
async def open_questions(
    settings: OperatorSettings, tenant_id: UUID, correlation_id: UUID
) -> AsyncIterator[tuple[Questions, Database]]:
    """A bus to ask over. Raises `KeyRingError`."""
    answers = load_ring(settings.key_dir, "seal.gateway")
    async with (
        operator_database(settings.database_url.get_secret_value(), size=_CONNECTIONS) as database,
        open_bus(settings, database, "operator") as bus,
    ):
        questions = Questions(bus=bus, answers=answers, tenant_id=tenant_id, correlation_id=correlation_id)
        yield questions, database
