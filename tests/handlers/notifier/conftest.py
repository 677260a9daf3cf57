"""The notifier on a real database, as its own role, with mail servers and phones that are simulated."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr

from services.cli.simulators.mailbox import Mailbox
from services.cli.simulators.twilio import TwilioSimulator
from services.notifier.adapters.dispute_links import DisputeLinks
from services.notifier.adapters.renderer import Renderer
from services.notifier.adapters.senders import SANDBOX_SID, SANDBOX_TOKEN, open_live, open_sandbox
from services.notifier.adapters.webhook_http import open_posters
from services.notifier.consumers import TABLE
from services.notifier.deps import Deps
from services.notifier.handlers.dispatch import dispatching
from services.notifier.handlers.webhook_dispatch import dispatching_webhooks
from services.notifier.settings import NotifierSettings
from shared.clock import host_now
from shared.contracts.codec import decode, encode
from shared.contracts.commands import Request, SendEmail, SendSms
from shared.contracts.envelope import Envelope, Message, begin
from shared.contracts.notifications import Notification
from shared.contracts.replies import RefusalCode
from shared.contracts.types import ChallengeId, Channel, Contact, DeliveryId
from shared.crypto.keyring import KeyRing, load_ring
from shared.crypto.sealing import contact_place, seal, secret_param_place
from shared.ids import new_id
from shared.messaging.answering import OpenedAnswer, open_answer
from shared.messaging.bus import Ack, Incoming, Reply
from shared.messaging.consumer import Consumer
from shared.messaging.postgres_lanes import PostgresLanes
from shared.messaging.relay import Relay
from shared.secret import Secret
from tests.conftest import DatabaseFor
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant
from tests.support.webhook_receiver import WebhookReceiver

ADDRESS = "ann@acme.example"
NUMBER = "+4915112345678"
PUBLIC_URL = "http://127.0.0.1:9"  # where nobody listens: receipts are posted by the tests

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The notifier without its process, for one tenant."""

    dsn: str
    tenant_id: UUID
    deps: Deps
    consumer: Consumer[Deps]
    answers: KeyRing
    mailbox: Mailbox
    phones: TwilioSimulator

    async def handle(self, *commands: Envelope[SendEmail] | Envelope[SendSms]) -> None:
        """As if they had arrived together on their lane."""
        batch = [
            Incoming(lane=each.data.lane, message_id=each.id, body=encode(each), first_seen_at=host_now())
            for each in commands
        ]
        assert await self.consumer.receive(batch) == [Ack()] * len(commands)

    async def ask(self, request: Request) -> dict[str, Any]:
        """The data of an answer that is no refusal."""
        answer = await self._answer(request)
        assert answer.refusal is None, answer.refusal
        assert answer.data is not None
        return answer.data

    async def refused(self, request: Request) -> RefusalCode:
        """The code of a refusal."""
        refusal = (await self._answer(request)).refusal
        assert refusal is not None
        return refusal.code

    async def _answer(self, request: Request) -> OpenedAnswer:
        envelope = self._envelope(request)
        incoming = Incoming(
            lane=request.lane,
            message_id=envelope.id,
            body=encode(envelope),
            wants_reply=True,
            first_seen_at=host_now(),
        )
        [reply] = await self.consumer.receive([incoming])
        assert isinstance(reply, Reply)
        return open_answer(self.answers, envelope, reply.body)

    async def rows(self, query: str, *args: object) -> list[asyncpg.Record]:
        """Look past row-level security."""
        conn = await asyncpg.connect(self.dsn)
        try:
            return list(await conn.fetch(query, *args))
        finally:
            await conn.close()

    async def state(self, delivery_id: UUID, wanted: str) -> asyncpg.Record:
        """Wait until a delivery is in that state."""
        return await eventually(lambda: self.row(delivery_id), lambda row: row["state"] == wanted)

    async def row(self, delivery_id: UUID) -> asyncpg.Record:
        """A delivery as it is."""
        [row] = await self.rows("SELECT * FROM notifier.deliveries WHERE delivery_id = $1", delivery_id)
        return row

    async def said(self, delivery_id: UUID) -> list[Envelope[Message]]:
        """What was said of a delivery, in order."""
        rows = await self.rows(
            "SELECT body FROM bus.outbox WHERE convert_from(body, 'UTF8') LIKE $1 ORDER BY message_id",
            f"%{delivery_id}%",
        )
        return [decode(row["body"]) for row in rows]

    async def events(self, delivery_id: UUID) -> list[str]:
        """The types of what was said of a delivery."""
        return [each.data.type for each in await self.said(delivery_id)]

    async def move_clock(self, ahead: dt.timedelta) -> None:
        """Let the sandbox's time pass, as policy does."""
        await self.rows(
            "UPDATE policy.clocks SET clock_offset = clock_offset + $2 WHERE tenant_id = $1", self.tenant_id, ahead
        )

    def mail(
        self, *, code: str = "493817", not_after: dt.datetime | None = None, challenge_id: ChallengeId | None = None
    ) -> Envelope[SendEmail]:
        """A mailed code for ann."""
        delivery_id = DeliveryId(new_id())
        return self._envelope(
            SendEmail(
                delivery_id=delivery_id,
                notification=Notification.CODE,
                destination=self.contact(Channel.EMAIL, ADDRESS),
                params={"minutes": 10, "purpose": "sign_in"},
                code=self.sealed_code(code, delivery_id),
                not_after=not_after,
                challenge_id=challenge_id,
            )
        )

    def text(
        self, *, code: str = "493817", not_after: dt.datetime | None = None, **params: object
    ) -> Envelope[SendSms]:
        """A texted code for ann."""
        delivery_id = DeliveryId(new_id())
        return self._envelope(
            SendSms(
                delivery_id=delivery_id,
                notification=Notification.CODE,
                destination=self.contact(Channel.SMS, NUMBER),
                params={"minutes": 10, "purpose": "sign_in", **params},
                code=self.sealed_code(code, delivery_id),
                not_after=not_after,
            )
        )

    def contact(self, channel: Channel, value: str) -> Contact:
        """Ann's address or number as the gateway would make it."""
        place = contact_place(self.tenant_id, "ann", channel.value)
        return Contact(sealed=seal(self.deps.seal, Secret(value), place), masked="a•••", digest="k1.x")

    def sealed_code(self, code: str, delivery_id: DeliveryId) -> str:
        """As otp_worker seals it."""
        return seal(self.deps.seal, Secret(code), secret_param_place(self.tenant_id, "ann", delivery_id))

    def _envelope(self, data: M) -> Envelope[M]:
        return begin(data, tenant_id=self.tenant_id, account_id="ann", actor="system", source="/tests", at=host_now())


@pytest.fixture(autouse=True)
async def nothing_is_queued(dsn: str) -> None:
    """Dispatchers work for every tenant: what another test left would be sent here."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute("DELETE FROM notifier.deliveries")
        await conn.execute("DELETE FROM notifier.webhook_deliveries")
    finally:
        await conn.close()


@pytest.fixture
async def desk(dsn: str, database_for: DatabaseFor, key_dir: Path) -> AsyncIterator[Desk]:
    """The notifier for a sandbox tenant; nothing leaves the queue by itself."""
    async with AsyncExitStack() as stack:
        mailbox = await stack.enter_async_context(Mailbox())
        token: Secret[str] = Secret(SANDBOX_TOKEN)
        phones = await stack.enter_async_context(TwilioSimulator(account_sid=SANDBOX_SID, auth_token=token))
        settings = NotifierSettings(
            database_url=SecretStr(dsn),
            key_dir=key_dir,
            sandbox_smtp_port=mailbox.port,
            sandbox_twilio_url=phones.base_url,
        )
        database = await database_for("notifier")
        bus = await stack.enter_async_context(PostgresLanes(database, name="notifier"))
        deps = Deps(
            database=database,
            relay=Relay(database, bus),
            seal=load_ring(key_dir, "seal.notifier"),
            dispute_links=DisputeLinks(
                ring=load_ring(key_dir, "dispute"), to_us=load_ring(key_dir, "seal.notifier"), public_url=PUBLIC_URL
            ),
            renderer=Renderer(),
            live=await stack.enter_async_context(open_live(settings)),
            sandbox=await stack.enter_async_context(open_sandbox(settings)),
            posters=await stack.enter_async_context(open_posters(True, connections=128)),
            wake={channel: asyncio.Event() for channel in Channel},
            webhook_wake=asyncio.Event(),
            public_url=PUBLIC_URL,
            domain="help.acme.example",
        )
        answers = load_ring(key_dir, "seal.gateway")
        consumer = Consumer(table=TABLE, deps=deps, database=database, bus=bus, relay=deps.relay, answers=answers)
        yield Desk(
            dsn=dsn,
            tenant_id=await new_tenant(dsn),
            deps=deps,
            consumer=consumer,
            answers=answers,
            mailbox=mailbox,
            phones=phones,
        )


@pytest.fixture
async def sending(desk: Desk) -> AsyncIterator[None]:
    """What is queued is sent."""
    async with dispatching(desk.deps):
        yield


OpenDesk = Callable[[UUID], Desk]


@pytest.fixture
async def open_desk(desk: Desk) -> OpenDesk:
    """The same notifier for another tenant."""
    return lambda tenant_id: replace(desk, tenant_id=tenant_id)


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    """The tenant's server."""
    async with WebhookReceiver() as server:
        yield server


@pytest.fixture
async def posting(desk: Desk, receiver: WebhookReceiver) -> AsyncIterator[None]:
    """What is due is posted."""
    async with dispatching_webhooks(desk.deps):
        yield
        receiver.release.set()
