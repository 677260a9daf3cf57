"""Audit on a real database, as its own role."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from services.audit.adapters.signing import HeadSigner
from services.audit.adapters.vault import RingVault
from services.audit.consumers import TABLE
from services.audit.deps import Deps
from shared.clock import host_now
from shared.contracts import events
from shared.contracts.codec import encode
from shared.contracts.commands import ReadEntries, Request
from shared.contracts.envelope import Envelope, Event, begin
from shared.contracts.replies import EntriesAnswer
from shared.contracts.types import SYSTEM, Decision, Purpose
from shared.crypto.data_keys import RingMasterKey
from shared.crypto.keyring import KeyRing, load_ring
from shared.db.pool import Database
from shared.messaging.answering import open_answer
from shared.messaging.bus import Disposition, Incoming, Reply
from shared.messaging.consumer import Consumer
from shared.messaging.postgres_lanes import PostgresLanes
from shared.messaging.relay import Relay
from shared.messaging.topology import AUDIT_EVENTS, AUDIT_REQUESTS
from tests.conftest import DatabaseFor

AT = dt.datetime(2026, 3, 1, 9, 0, tzinfo=dt.UTC)


def login(tenant_id: UUID, account_id: str | None = "agent-1", *, minute: int = 0) -> Envelope[Event]:
    """A fact about an account."""
    return begin(
        events.LoginDecided(purpose=Purpose.SIGN_IN, decision=Decision.ALLOW, reason="not_required"),
        tenant_id=tenant_id,
        account_id=account_id,
        actor=SYSTEM,
        source="/otp_worker",
        at=AT + dt.timedelta(minutes=minute),
    )


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The service without its lanes: messages are handed to its consumer."""

    consumer: Consumer[Deps]
    deps: Deps
    database: Database
    answers: KeyRing

    async def append(self, envelopes: Sequence[Envelope[Event]]) -> list[Disposition]:
        """Hand over events as a lane does."""
        return await self.consumer.receive(
            [
                Incoming(
                    lane=AUDIT_EVENTS.name,
                    message_id=envelope.id,
                    body=encode(envelope),
                    first_seen_at=host_now(),
                )
                for envelope in envelopes
            ]
        )

    async def read(self, tenant_id: UUID, account_id: str | None = None, **asked: object) -> EntriesAnswer:
        """Ask for a page of the log."""
        return EntriesAnswer.model_validate(await self.ask(tenant_id, ReadEntries.model_validate(asked), account_id))

    async def ask(self, tenant_id: UUID, request: Request, account_id: str | None = None) -> dict[str, object] | None:
        """The data of an answer."""
        command = begin(
            request, tenant_id=tenant_id, account_id=account_id, actor="api_key:test", source="/gateway", at=AT
        )
        incoming = Incoming(
            lane=AUDIT_REQUESTS.name,
            message_id=command.id,
            body=encode(command),
            wants_reply=True,
            first_seen_at=host_now(),
        )
        [reply] = await self.consumer.receive([incoming])
        assert isinstance(reply, Reply)
        return open_answer(self.answers, command, reply.body).data


@pytest.fixture
async def audit(database_for: DatabaseFor, key_dir: Path) -> Audit:
    """One process of the service."""
    database = await database_for("audit")
    bus = PostgresLanes(database, name="test-audit")  # never entered: nothing is sent here
    relay = Relay(database, bus)
    answers = load_ring(key_dir, "seal.gateway")
    deps = Deps(
        vault=RingVault(RingMasterKey(load_ring(key_dir, "rest.audit"))),
        signer=HeadSigner(load_ring(key_dir, "sign.audit")),
        database=database,
        relay=relay,
    )
    consumer = Consumer(table=TABLE, deps=deps, database=database, bus=bus, relay=relay, answers=answers)
    return Audit(consumer=consumer, deps=deps, database=database, answers=answers)


@pytest.fixture
async def intruder(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection that may do everything: the one whom the chain is against."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()
