"""From the command to the mailbox, and what each outcome leaves behind."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr

from services.cli.simulators.mailbox import Mailbox
from services.cli.simulators.twilio import TwilioSimulator
from services.notifier.adapters.renderer import Renderer
from services.notifier.adapters.senders import SANDBOX_SID, SANDBOX_TOKEN, Senders, open_live, open_sandbox
from services.notifier.consumers import TABLE
from services.notifier.deps import Deps
from services.notifier.handlers.dispatch import dispatch, release_expired
from services.notifier.settings import NotifierSettings
from shared.clock import host_now
from shared.contracts.codec import encode
from shared.contracts.commands import SendEmail, SendSms
from shared.contracts.envelope import Envelope, begin
from shared.contracts.notifications import Notification
from shared.contracts.types import Channel, Contact, DeliveryId
from shared.crypto.keyring import load_ring
from shared.crypto.sealing import contact_place, seal, secret_param_place
from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.bus import Ack, Incoming
from shared.messaging.consumer import Consumer
from shared.messaging.postgres_lanes import PostgresLanes
from shared.messaging.relay import Relay
from shared.secret import Secret
from tests.conftest import DatabaseFor
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant

pytestmark = pytest.mark.usefixtures("dsn")


@dataclass(frozen=True, slots=True)
class Desk:
    """The notifier without its process: handlers, dispatchers, simulators."""

    dsn: str
    tenant_id: UUID
    deps: Deps
    consumer: Consumer[Deps]
    mailbox: Mailbox
    phones: TwilioSimulator

    async def handle(self, *commands: Envelope[SendEmail] | Envelope[SendSms]) -> None:
        """As if they had arrived together on their lane."""
        batch = [
            Incoming(lane=each.data.lane, message_id=each.id, body=encode(each), first_seen_at=host_now())
            for each in commands
        ]
        assert await self.consumer.receive(batch) == [Ack()] * len(commands)

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

    async def events(self, delivery_id: UUID) -> list[str]:
        """The events that were said of a delivery, in order."""
        rows = await self.rows(
            "SELECT routing_key FROM bus.outbox WHERE convert_from(body, 'UTF8') LIKE $1 ORDER BY message_id",
            f"%{delivery_id}%",
        )
        return [row["routing_key"] for row in rows]

    def code_mail(self, *, code: str = "493817", not_after: dt.datetime | None = None) -> Envelope[SendEmail]:
        """A mailed code for ann."""
        delivery_id = DeliveryId(new_id())
        return begin(
            SendEmail(
                delivery_id=delivery_id,
                notification=Notification.CODE,
                destination=self.contact(Channel.EMAIL, "ann@acme.example"),
                params={"minutes": 10, "purpose": "sign_in"},
                code=seal(self.deps.seal, Secret(code), secret_param_place(self.tenant_id, "ann", delivery_id)),
                not_after=not_after,
            ),
            tenant_id=self.tenant_id,
            account_id="ann",
            actor="system",
            source="/test",
            at=host_now(),
        )

    def contact(self, channel: Channel, value: str) -> Contact:
        """Ann's address or number as the gateway would make it."""
        place = contact_place(self.tenant_id, "ann", channel.value)
        return Contact(sealed=seal(self.deps.seal, Secret(value), place), masked="a•••", digest="k1.x")


@pytest.fixture
async def desk(dsn: str, database_for: DatabaseFor, key_dir: Path) -> AsyncIterator[Desk]:
    """A sandbox tenant whose messages go to the simulators."""
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
        live: Senders = await stack.enter_async_context(open_live(settings))
        sandbox: Senders = await stack.enter_async_context(open_sandbox(settings))
        database: Database = await database_for("notifier")
        bus = await stack.enter_async_context(PostgresLanes(database, name="notifier"))
        relay = Relay(database, bus)
        deps = Deps(
            database=database,
            relay=relay,
            seal=load_ring(key_dir, "seal.notifier"),
            renderer=Renderer(),
            live=live,
            sandbox=sandbox,
            wake={channel: asyncio.Event() for channel in Channel},
            public_url="http://127.0.0.1:8080",
            domain="help.acme.example",
        )
        consumer = Consumer(
            table=TABLE,
            deps=deps,
            database=database,
            bus=bus,
            relay=relay,
            answers=load_ring(key_dir, "seal.gateway"),
        )
        dispatchers = [asyncio.create_task(dispatch(channel, deps)) for channel in Channel]
        yield Desk(dsn, await new_tenant(dsn), deps, consumer, mailbox, phones)
        for task in dispatchers:
            task.cancel()
        await asyncio.gather(*dispatchers, return_exceptions=True)


async def test_a_code_reaches_its_mailbox_and_says_so(desk: Desk) -> None:
    """The main job of the notifier, and the row forgets the code once it is handed over."""
    command = desk.code_mail(code="493817")
    await desk.handle(command)

    mail = await desk.mailbox.wait_for(lambda mail: mail.to == "ann@acme.example")
    row = await desk.state(command.data.delivery_id, "accepted")

    assert mail.subject.startswith("493817")
    assert row["code"] is None
    assert await desk.events(command.data.delivery_id) == ["code.sent"]


async def test_the_same_command_twice_is_one_mail(desk: Desk) -> None:
    """A redelivered command must not mail twice: the inbox absorbs it, and so does the delivery's id."""
    command = desk.code_mail()
    await desk.handle(command)
    await desk.handle(command)
    other = desk.code_mail(code="271828")
    await desk.handle(other)

    await desk.state(command.data.delivery_id, "accepted")
    await desk.state(other.data.delivery_id, "accepted")
    assert len(desk.mailbox.messages) == 2


async def test_a_code_is_never_sent_after_its_time(desk: Desk) -> None:
    """A late code helps nobody but who reads the mailbox next."""
    command = desk.code_mail(not_after=host_now() - dt.timedelta(seconds=1))
    await desk.handle(command)

    await desk.state(command.data.delivery_id, "expired")
    assert desk.mailbox.messages == []
    assert await desk.events(command.data.delivery_id) == ["code.expired"]


async def test_a_refused_mailbox_is_told_and_not_tried_again(desk: Desk) -> None:
    """The helpdesk can tell its customer that the address is wrong."""
    desk.mailbox.refuse_recipients(550)
    command = desk.code_mail()
    await desk.handle(command)

    row = await desk.state(command.data.delivery_id, "refused")
    assert row["attempts"] == 1
    assert await desk.events(command.data.delivery_id) == ["code.undeliverable"]


async def test_a_busy_server_is_asked_again_later(desk: Desk) -> None:
    """A 4xx is no verdict: the delivery waits in the queue with its attempt counted."""
    desk.mailbox.refuse_recipients(451)
    command = desk.code_mail()
    await desk.handle(command)

    row = await eventually(
        lambda: desk.row(command.data.delivery_id), lambda row: row["state"] == "queued" and row["attempts"] == 1
    )
    assert row["next_attempt_at"] > row["queued_at"]


async def test_a_lost_sender_leads_to_one_more_send_with_the_same_content(desk: Desk) -> None:
    """A process that died while sending may have sent: at most one more, then the outcome is said to be unknown."""
    command = desk.code_mail()
    await desk.handle(command)
    await desk.state(command.data.delivery_id, "accepted")
    lost = "UPDATE notifier.deliveries SET state = 'sending', ended_at = NULL, lease_until = now() - interval '1 s'"
    [row] = await desk.rows(f"{lost}, unknowns = $2 WHERE delivery_id = $1 RETURNING 1", command.data.delivery_id, 0)
    assert row is not None

    await release_expired(desk.deps)
    row = await desk.state(command.data.delivery_id, "queued")
    assert row["unknowns"] == 1

    await desk.rows(f"{lost} WHERE delivery_id = $1 RETURNING 1", command.data.delivery_id)
    await release_expired(desk.deps)
    await desk.state(command.data.delivery_id, "unknown")


async def test_a_live_tenant_never_reaches_the_simulators(desk: Desk) -> None:
    """Two worlds: without a provider a live tenant's mail waits for an operator."""
    live = Desk(
        desk.dsn, await new_tenant(desk.dsn, is_sandbox=False), desk.deps, desk.consumer, desk.mailbox, desk.phones
    )
    command = live.code_mail()
    await live.handle(command)

    row = await eventually(lambda: desk.row(command.data.delivery_id), lambda row: row["reason"] == "no_provider")
    assert desk.mailbox.messages == []
    assert row["attempts"] == 0
