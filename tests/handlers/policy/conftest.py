"""Policy on a real database, as its own role: messages are handed to its consumer, timers fire when a test says so."""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import pytest

from services.policy.adapters.report_files import ReportFiles
from services.policy.consumers import TABLE
from services.policy.deps import CancelLinks, Deps
from services.policy.handlers.timers import fire_due_timers
from shared.clock import host_now
from shared.contracts import commands, events
from shared.contracts.codec import decode, encode
from shared.contracts.commands import MoveClock, PutAccount, PutPolicy, Request
from shared.contracts.envelope import Envelope, Message, begin
from shared.contracts.policy import Policy, Requirement, Scope
from shared.contracts.replies import AccountView, ClockView, RecoveryView, RefusalCode
from shared.contracts.types import Contact, FactorId, FactorType, Value
from shared.crypto.keyring import KeyRing, load_ring
from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.answering import open_answer
from shared.messaging.bus import Ack, Disposition, Incoming, Reply
from shared.messaging.consumer import Consumer
from shared.messaging.postgres_lanes import PostgresLanes
from shared.messaging.relay import Relay
from shared.messaging.topology import POLICY_COMMANDS, POLICY_DEADLINES, POLICY_REQUESTS, Lane, lane
from tests.conftest import DatabaseFor
from tests.support.tenants import new_tenant

ANN = "ann"
HOUR = 3600  # seconds
DAY = 24 * 3600  # seconds
EVERYBODY = Policy(required=Requirement(scope=Scope.ALL), grace_days=7)

M = TypeVar("M", bound=Message)
V = TypeVar("V", bound=Value)


def contact(name: str) -> Contact:
    """An address that nobody here can read."""
    return Contact(sealed=f"v1.k1.{name}", masked=f"{name[0]}•••{name[-1]}", digest=f"k1.{name}")


def new_factor_id() -> FactorId:
    """Of a factor to come."""
    return FactorId(new_id())


def put_account(fields: dict[str, Any]) -> PutAccount:
    """As the gateway says it: a version is of the whole change and not a field of it."""
    return PutAccount.model_validate({"given": tuple(name for name in fields if name != "version"), **fields})


def _incoming(lane: Lane, envelope: Envelope[Message]) -> Incoming:
    return Incoming(
        lane=lane.name,
        message_id=envelope.id,
        body=encode(envelope),
        wants_reply=lane.is_request,
        first_seen_at=host_now(),
    )


@dataclass(frozen=True, kw_only=True)
class Service:
    """The service, one tenant's helpdesk, and whoever may look into the database."""

    consumer: Consumer[Deps]
    deps: Deps
    database: Database
    answers: KeyRing
    tenant_id: UUID
    admin: "asyncpg.Connection[asyncpg.Record]"

    async def now(self) -> dt.datetime:
        """Tenant time."""
        found = await self.admin.fetchval("SELECT policy.tenant_now($1)", self.tenant_id)
        assert isinstance(found, dt.datetime)
        return found

    def envelope(
        self, data: M, account_id: str | None = ANN, at: dt.datetime | None = None, actor: str = "api_key:test"
    ) -> Envelope[M]:
        """A message about an account of the tenant."""
        time = at or host_now()
        return begin(data, tenant_id=self.tenant_id, account_id=account_id, actor=actor, source="/tests", at=time)

    async def hand(self, lane: Lane, envelope: Envelope[Message]) -> Disposition:
        """What becomes of a message on a lane."""
        [disposition] = await self.consumer.receive([_incoming(lane, envelope)])
        return disposition

    async def hear_together(self, *news: Envelope[Message]) -> Sequence[Disposition]:
        """What becomes of messages that the bus brings in one frame, of whichever tenants."""
        return await self.consumer.receive([_incoming(POLICY_COMMANDS, each) for each in news])

    async def ask(self, request: Request, account_id: str | None = ANN) -> dict[str, Any]:
        """The data of an answer that is no refusal."""
        envelope = self.envelope(request, account_id)
        reply = await self.hand(POLICY_REQUESTS, envelope)
        assert isinstance(reply, Reply)
        answer = open_answer(self.answers, envelope, reply.body)
        assert answer.refusal is None, answer.refusal
        assert answer.data is not None
        return answer.data

    async def refused(self, request: Request, account_id: str | None = ANN) -> RefusalCode:
        """The code of a refusal."""
        code = await self.refusal_of(request, account_id)
        assert code is not None
        return code

    async def refusal_of(self, request: Request, account_id: str | None = ANN) -> RefusalCode | None:
        """The code of a refusal; None: it was not refused."""
        envelope = self.envelope(request, account_id)
        reply = await self.hand(POLICY_REQUESTS, envelope)
        assert isinstance(reply, Reply)
        refusal = open_answer(self.answers, envelope, reply.body).refusal
        return refusal.code if refusal is not None else None

    async def hear(self, message: Message, account_id: str | None = ANN, at: dt.datetime | None = None) -> None:
        """Handle a command or an event from the bus; `at` is when it happened, in tenant time."""
        told = await self.hand(POLICY_COMMANDS, self.envelope(message, account_id, at or await self.now()))
        assert told == Ack()

    async def said(self, kind: type[M]) -> list[Envelope[M]]:
        """What was published of a type for this tenant, oldest first."""
        rows = await self.admin.fetch(
            "SELECT body FROM bus.outbox WHERE tenant_id = $1 ORDER BY message_id", self.tenant_id
        )
        return [each for row in rows if isinstance((each := decode(row["body"])).data, kind)]  # type: ignore[misc]

    async def notices(self) -> list[tuple[str, str]]:
        """Every notice and the masked address that it goes to."""
        return [(each.data.notification, each.data.destination.masked) for each in await self.said(commands.Notify)]

    async def run(self) -> None:
        """Fire what is due and handle the commands that policy gives itself, until there is nothing left to do."""
        while True:
            await fire_due_timers(self.database, self.deps.relay, host_now())
            rows = await self.admin.fetch(
                """
                UPDATE bus.outbox SET published_at = now()
                 WHERE routing_key = ANY ($1::text[]) AND tenant_id = $2 AND published_at IS NULL
                RETURNING message_id, routing_key, body
                """,
                [POLICY_COMMANDS.name, POLICY_DEADLINES.name],
                self.tenant_id,
            )
            if not rows:
                return
            for row in sorted(rows, key=lambda row: row["message_id"]):
                assert await self.hand(lane(row["routing_key"]), decode(row["body"])) == Ack()

    async def move(self, seconds: int) -> ClockView:
        """Move the tenant's clock, and let happen what is due then."""
        moved = ClockView.model_validate(await self.ask(MoveClock(advance_seconds=seconds), None))
        await self.run()
        return moved

    async def put(self, account_id: str = ANN, **given: Any) -> AccountView:
        """Create or change an account: an agent with a verified mailbox, unless said otherwise."""
        fields = {"role": "agent", "email": contact("ann-mail"), "email_verified": True} | given
        change = put_account(fields)
        return AccountView.model_validate(await self.ask(change, account_id))

    async def change(self, account_id: str = ANN, **given: Any) -> AccountView:
        """Change just these fields."""
        change = put_account(given)
        return AccountView.model_validate(await self.ask(change, account_id))

    async def require(self, policy: Policy = EVERYBODY) -> None:
        """Set the policy and let it be announced, whatever becomes of the admins."""
        await self.ask(PutPolicy(policy=policy, is_forced=True), None)
        await self.run()

    async def enrol(
        self, account_id: str = ANN, kind: FactorType = FactorType.TOTP, phone: str | None = None
    ) -> FactorId:
        """An active factor, as otp_worker stores it, and its news."""
        factor_id = FactorId(new_id())
        await self.give_factor(factor_id, account_id, kind, phone)
        await self.hear(events.FactorConfirmed(factor_id=factor_id, factor_type=kind, is_first=True), account_id)
        return factor_id

    async def give_factor(
        self, factor_id: FactorId, account_id: str = ANN, kind: FactorType = FactorType.TOTP, phone: str | None = None
    ) -> None:
        """Only the rows."""
        to = contact(phone or "factor-mail") if kind is not FactorType.TOTP else None
        await self.admin.execute(
            """
            INSERT INTO otp.accounts (tenant_id, account_id, first_enrolled_at) VALUES ($1, $2, now())
                ON CONFLICT DO NOTHING
            """,
            self.tenant_id,
            account_id,
        )
        await self.admin.execute(
            """
            INSERT INTO otp.factors (tenant_id, factor_id, account_id, type, state, name, seed, contact_sealed,
                                     contact_masked, contact_digest, challenge_id, created_at, confirmed_at)
            VALUES ($1, $2, $3, $4, 'active', 'mine', $5, $6, $7, $8, $9, now(), now())
            """,
            self.tenant_id,
            factor_id,
            account_id,
            kind.value,
            b"sealed" if kind is FactorType.TOTP else None,
            to.sealed if to else None,
            to.masked if to else None,
            to.digest if to else None,
            new_id(),
        )

    async def drop_factors(self, account_id: str = ANN) -> None:
        """Revoke all factors, as otp_worker stores it."""
        await self.admin.execute(
            """
            UPDATE otp.factors SET state = 'revoked', seed = NULL, ended_at = now()
             WHERE tenant_id = $1 AND account_id = $2
            """,
            self.tenant_id,
            account_id,
        )

    async def suspend_factors(self, account_id: str = ANN) -> None:
        """Guessed at too often, as otp_worker stores it."""
        await self.admin.execute(
            "UPDATE otp.factors SET state = 'suspended' WHERE tenant_id = $1 AND account_id = $2 AND state = 'active'",
            self.tenant_id,
            account_id,
        )

    async def pending(self) -> list[tuple[str, str]]:
        """Kind and subject of the tenant's pending timers, the next one first."""
        rows = await self.admin.fetch(
            "SELECT kind, subject FROM policy.timers WHERE tenant_id = $1 AND state = 'pending' ORDER BY due_at, kind",
            self.tenant_id,
        )
        return [(row["kind"], row["subject"]) for row in rows]

    async def count_waiting(self) -> int:
        """How many wait for an account that somebody else is deciding about."""
        found = await self.admin.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        assert isinstance(found, int)
        return found

    async def recovery(self) -> RecoveryView:
        """The account's newest recovery request."""
        return RecoveryView.model_validate(await self.ask(commands.ReadRecovery()))


@pytest.fixture
async def admin(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection that may do everything, to look and to stand in for other services' rows."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


OpenService = Callable[[UUID], Service]


@pytest.fixture
async def open_service(
    database_for: DatabaseFor, key_dir: Path, admin: "asyncpg.Connection[asyncpg.Record]"
) -> OpenService:
    """One process of the service, and the helpdesk of a tenant before it."""
    database = await database_for("policy")
    bus = PostgresLanes(database, name="test-policy")  # never entered: nothing is sent here
    relay = Relay(database, bus)
    answers = load_ring(key_dir, "seal.gateway")
    links = CancelLinks(
        ring=load_ring(key_dir, "cancel"),
        to_us=load_ring(key_dir, "seal.policy"),
        to_notifier=load_ring(key_dir, "seal.notifier"),
        public_url="https://2fa.example",
    )
    files = ReportFiles(
        ring=load_ring(key_dir, "seal.policy"),
        to_notifier=load_ring(key_dir, "seal.notifier"),
        public_url="https://2fa.example",
    )
    deps = Deps(cancel_links=links, report_files=files, database=database, relay=relay)
    consumer = Consumer(table=TABLE, deps=deps, database=database, bus=bus, relay=relay, answers=answers)

    def open_for(tenant_id: UUID) -> Service:
        return Service(
            consumer=consumer, deps=deps, database=database, answers=answers, tenant_id=tenant_id, admin=admin
        )

    return open_for


@pytest.fixture
async def service(open_service: OpenService, dsn: str) -> Service:
    """The service before a sandbox tenant of one's own."""
    return open_service(await new_tenant(dsn))


@pytest.fixture
async def ann(service: Service) -> Service:
    """A tenant whose Ann has a proved mailbox and an authenticator."""
    await service.put()
    await service.hear(commands.ProveMailbox(digest=contact("ann-mail").digest))
    await service.enrol()
    return service
