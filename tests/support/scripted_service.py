"""A process of the tests' own service, and what becomes of messages that are handed to it."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from shared.contracts.commands import Unlock
from shared.contracts.envelope import Envelope, Message
from shared.contracts.replies import RefusalCode
from shared.contracts.types import RequestKey
from shared.crypto.keyring import KeyRing
from shared.messaging.answering import open_answer
from shared.messaging.bus import Disposition, Reply
from shared.messaging.consumer import Consumer
from shared.messaging.outcome import Done, ListOutcome
from shared.messaging.topology import POLICY_COMMANDS, POLICY_REQUESTS, Lane
from shared.messaging.unit_of_work import UnitOfWork
from tests.support.scripted import Behave, Script, Told, about, effects_of, incoming

MANY = ("ann", "bob", "cid", "dan")


@dataclass(kw_only=True)
class Service:
    """A service of the tests' own, its tenant, and whoever may look into the database."""

    consumer: Consumer[Script]
    script: Script
    tenant_id: UUID
    answers: KeyRing
    sql: "asyncpg.Connection[asyncpg.Record]"

    def envelope(self, data: Message, account_id: str = "ann") -> Envelope[Message]:
        """A message about an account."""
        return about(self.tenant_id, account_id, data)

    async def hand(
        self, *envelopes: Envelope[Message], lane: Lane = POLICY_COMMANDS, expires_at: dt.datetime | None = None
    ) -> list[Disposition]:
        """What becomes of messages that came together."""
        return await self.consumer.receive([incoming(each, lane, expires_at=expires_at) for each in envelopes])

    async def ask(
        self, *envelopes: Envelope[Message], expires_at: dt.datetime | None = None
    ) -> list[int | RefusalCode]:
        """What requests that came together are answered."""
        replies = await self.hand(*envelopes, lane=POLICY_REQUESTS, expires_at=expires_at)
        return [self.read(*pair) for pair in zip(envelopes, replies, strict=True)]

    def read(self, envelope: Envelope[Message], reply: Disposition) -> int | RefusalCode:
        """An answer as the gateway reads it."""
        assert isinstance(reply, Reply)
        answer = open_answer(self.answers, envelope, reply.body)  # type: ignore[arg-type]
        if answer.refusal is not None:
            return answer.refusal.code
        return Told.model_validate(answer.data).times

    async def effects(self, account_id: str = "ann") -> int:
        """How often something was done for an account."""
        return await effects_of(self.sql, self.tenant_id, account_id)


def request(key: str, fingerprint: str = "f") -> Unlock:
    """A request of an Idempotency-Key."""
    return Unlock(hours=1, reason="", request=RequestKey(scope="POST /v1/x", key=key, fingerprint=fingerprint))


def raises(error: Exception, *, times: int = 1_000_000) -> Behave:
    """A handler that fails so often, and then does its duty."""
    left = [times]

    async def behave(_uow: UnitOfWork) -> ListOutcome:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return Done()

    return behave
