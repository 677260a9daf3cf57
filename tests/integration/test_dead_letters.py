"""Dead letters: parked whatever they hold, and put back without harm."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from services.cli.dead_letters import discard, list_letters, replay
from shared.clock import host_now
from shared.contracts.codec import MAX_BYTES, encode
from shared.crypto.keyring import load_ring
from shared.db.connection import StoreUnavailable
from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.bus import Ack, Exchange, Incoming, Retry
from shared.messaging.dead_letters import Parker
from shared.messaging.outbox import OutboxRow, insert_messages
from shared.messaging.outcome import Discard
from shared.messaging.postgres_lanes import PostgresLanes
from shared.messaging.relay import Relay
from shared.messaging.topology import POLICY_COMMANDS
from shared.process import park_dead_letters
from tests.conftest import DatabaseFor
from tests.support.eventually import eventually
from tests.support.scripted import EFFECTS, SINGLE, Script, about, consumer_on, effects_of, says
from tests.support.tenants import new_tenant

LANE = POLICY_COMMANDS.name


@pytest.fixture
async def sql(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The superuser, and no letters of other tests."""
    conn = await asyncpg.connect(dsn)
    await conn.execute(EFFECTS)
    await conn.execute("TRUNCATE bus.dead_letters, bus.outbox, bus.lane_messages")
    yield conn
    await conn.close()


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    """As a service."""
    return await database_for("policy")


def letter(body: bytes = b"?", *, lane: str = LANE, message_id: UUID | None = None) -> Incoming:
    """A message that died."""
    return Incoming(
        lane=lane,
        message_id=message_id or new_id(),
        body=body,
        first_seen_at=host_now(),
        dead_reason="not_a_cloudevent",
    )


async def parked(sql: "asyncpg.Connection[asyncpg.Record]") -> set[UUID]:
    """The ids of all that are parked."""
    return {row["message_id"] for row in await sql.fetch("SELECT message_id FROM bus.dead_letters")}


async def test_a_letter_is_parked_once_with_what_a_person_needs(
    dsn: str, database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A confirm that got lost brings it twice, even within one batch."""
    tenant_id = await new_tenant(dsn)
    dead = letter(encode(about(tenant_id, "ann", SINGLE)))
    parker = Parker(database)
    assert await parker.receive([dead, letter(), dead]) == [Ack()] * 3
    assert await parker.receive([dead]) == [Ack()]
    [known] = [each for each in await list_letters(dsn, lane=LANE, limit=10) if each.tenant_id]
    assert (known.message_id, known.message_type, known.tenant_id) == (dead.message_id, SINGLE.type, tenant_id)
    assert len(await parked(sql)) == 2


async def test_a_letter_that_no_column_takes_keeps_no_other_from_being_parked(
    database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Whoever may publish may write anything into a header; parking must not stand still for all that died after it."""
    strange = [
        dataclasses.replace(letter(), dead_reason="nul \x00 and more", attempt=3),
        letter(b"x" * (MAX_BYTES + 1)),
        dataclasses.replace(letter(), attempt=2**40),  # for which there is no column
    ]
    good = [letter() for _ in range(2)]
    said = await Parker(database).receive([good[0], *strange, good[1]])
    assert said == [Ack(), Ack(), Ack(), Retry("not_parked"), Ack()]
    assert await parked(sql) == {each.message_id for each in (*good, *strange[:2])}
    reason = "SELECT reason FROM bus.dead_letters WHERE message_id = $1"
    assert await sql.fetchval(reason, strange[0].message_id) == "nul ? and more"
    assert await sql.fetchval("SELECT max(length(body)) FROM bus.dead_letters") == MAX_BYTES


async def test_letters_wait_for_a_database_that_is_away(
    dsn: str, database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Taken off the dead queue and not stored, a letter would be gone for good."""
    name = await sql.fetchval("SELECT current_database()")
    operator = await asyncpg.connect(dsn.replace(f"/{name}?", "/postgres?"))
    try:
        await operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        parking = asyncio.create_task(Parker(database).receive([dead := letter()]))
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await database.ping()
        assert not parking.done()
    finally:
        await operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await operator.close()
    assert await parking == [Ack()]
    assert await parked(sql) == {dead.message_id}


async def test_a_letter_that_died_of_a_fault_is_handled_once_it_is_mended(
    dsn: str, key_dir: Path, database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """From the handler's word to the parked row, and back with the same id: the whole way, over the lanes."""
    tenant_id, script = await new_tenant(dsn), Script()
    script.of["ann"] = says(Discard("template_missing"))
    row = _row(tenant_id)
    async with PostgresLanes(database, name="policy", lanes=[POLICY_COMMANDS]) as bus:
        await park_dead_letters(bus, database, [POLICY_COMMANDS])
        await consumer_on(database, script, load_ring(key_dir, "seal.gateway"), bus=bus).start()
        await bus.publish([row.outgoing()])
        await eventually(lambda: parked(sql), lambda ids: row.message_id in ids)
        assert await effects_of(sql, tenant_id, "ann") == 0

        del script.of["ann"]  # the fault is mended
        assert await replay(dsn, LANE, row.message_id)
        assert not await replay(dsn, LANE, row.message_id)  # pressed twice
        await _publish_all(database, bus, sql)
        await eventually(lambda: effects_of(sql, tenant_id, "ann"), lambda times: times == 1)

        await _die_again(database, row)  # as if it had died after its commit
        assert await replay(dsn, LANE, row.message_id)
        await _publish_all(database, bus, sql)
        handled = "SELECT count(*) FROM bus.lane_messages WHERE lane = $1"
        await eventually(lambda: sql.fetchval(handled, LANE), lambda left: left == 0)
        assert await effects_of(sql, tenant_id, "ann") == 1


async def test_a_letter_that_was_given_up_stays_given_up(
    dsn: str, database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Two operators at one list: what one has discarded the other does not send."""
    dead = letter()
    await Parker(database).receive([dead])
    assert await discard(dsn, LANE, dead.message_id)
    assert not await replay(dsn, LANE, dead.message_id)
    assert await sql.fetchval("SELECT count(*) FROM bus.outbox") == 0


async def test_a_replay_takes_nothing_away_that_is_still_to_be_said(
    dsn: str, database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """An event died on two lanes while it was still unpublished for a third: three ways, and one id."""
    tenant_id = await new_tenant(dsn)
    event = dataclasses.replace(_row(tenant_id), exchange=Exchange.EVENTS, routing_key="factor.confirmed")
    async with database.transaction() as conn:
        await insert_messages(conn, [event])
    lanes = [LANE, "otp_worker.commands"]
    await Parker(database).receive([letter(event.body, lane=lane, message_id=event.message_id) for lane in lanes])
    for lane in lanes:
        assert await replay(dsn, lane, event.message_id)
    rows = await sql.fetch("SELECT exchange, routing_key FROM bus.outbox WHERE published_at IS NULL ORDER BY 1, 2")
    assert [tuple(row) for row in rows] == [
        ("deskfactor.commands", "otp_worker.commands"),
        ("deskfactor.commands", LANE),
        ("deskfactor.events", "factor.confirmed"),
    ]


async def test_a_letter_that_dies_again_is_open_again(
    dsn: str, database: Database, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A replay that failed must be seen, and must be possible once more, though its row left once already."""
    dead = letter()
    parker = Parker(database)
    for _ in range(2):
        await parker.receive([dead])
        assert [each.message_id for each in await list_letters(dsn, lane=LANE, limit=10)] == [dead.message_id]
        assert await replay(dsn, LANE, dead.message_id)
        assert await list_letters(dsn, lane=LANE, limit=10) == []
        assert await sql.fetchval("SELECT count(*) FROM bus.outbox WHERE published_at IS NULL") == 1
        await sql.execute("UPDATE bus.outbox SET published_at = now()")


def _row(tenant_id: UUID) -> OutboxRow:
    envelope = about(tenant_id, "ann", SINGLE)
    return OutboxRow(
        message_id=envelope.id,
        tenant_id=tenant_id,
        exchange=Exchange.COMMANDS,
        routing_key=LANE,
        body=encode(envelope),
    )


async def _publish_all(database: Database, bus: PostgresLanes, sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    assert await Relay(database, bus).sweep_once() == 1
    assert await sql.fetchval("SELECT count(*) FROM bus.outbox WHERE published_at IS NULL") == 0


async def _die_again(database: Database, row: OutboxRow) -> None:
    await Parker(database).receive([letter(row.body, message_id=row.message_id)])
