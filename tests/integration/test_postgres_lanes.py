"""What is special to the PostgreSQL lanes; what they share with RabbitMQ is in the conformance suite."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from services.cli.embedded.postgres import Postgres
from shared.clock import host_now, monotonic
from shared.db.connection import Connection
from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.bus import Ack, Bus, Disposition, Exchange, Incoming, Outgoing, PublishOutcome, Reply, Retry
from shared.messaging.bus import Unavailable as BusUnavailable
from shared.messaging.postgres_lanes import asker
from shared.messaging.postgres_lanes.messages import Suspects, Work
from shared.messaging.postgres_lanes.owner import Owner
from shared.messaging.postgres_lanes.source import Terms
from shared.messaging.topology import DELIVERY_LIMIT, KILLER_AFTER, REQUEST_LANE_LENGTH, Lane
from tests.support.lanes_transport import ROLE, lanes_bus, migrated_database
from tests.support.receiver import PATIENCE, Receiver, eventually
from tests.support.transports import command, new_lane

NEVER = dt.timedelta(minutes=10)  # longer than any test
SHORT = dt.timedelta(milliseconds=300)
RENEWABLE = dt.timedelta(seconds=3)  # a lease of which a busy machine renews each in its time
NOT_AT_ONCE = dt.timedelta(seconds=15)  # left of the time that somebody would wait in vain; the machine may be slow


@pytest.fixture(scope="module")
async def dsn(postgres: Postgres) -> AsyncIterator[str]:
    """One database for all tests: each has lanes of its own."""
    async with migrated_database(postgres, "lanes") as address:
        yield address


@pytest.fixture
async def sql(dsn: str) -> AsyncIterator[Connection]:
    """The superuser, to look behind the bus."""
    async with Database(dsn, role=None, name="test") as database, database.connection() as conn:
        yield conn


def _soon(seconds: float = PATIENCE) -> dt.datetime:
    return host_now() + dt.timedelta(seconds=seconds)


async def _until(is_so: Callable[[], Awaitable[bool]]) -> None:
    deadline = monotonic() + PATIENCE
    while not await is_so():
        assert monotonic() < deadline, "it never came to be so"
        await asyncio.sleep(0.02)


def _work(database: Database, lane: Lane, *, lease: dt.timedelta, retry: dt.timedelta = NEVER) -> Work:
    """A worker that never says that it lives: only time ends its leases."""
    return Work(lane.name, Terms(database=database, owner=Owner("test"), lease=lease, retry_delays=(retry,)))


async def _store(sql: Connection, lane: Lane, *, deliveries: int = 0) -> None:
    """A message as a process left it that died before it could notify anybody."""
    await sql.execute(
        """
        INSERT INTO bus.lane_messages (id, lane, message_id, body, deliveries, is_suspect)
        VALUES ($1, $2, $3, '', $4, $5)
        """,
        new_id(),
        lane.name,
        new_id(),
        deliveries,
        deliveries >= KILLER_AFTER,
    )


async def test_message_of_a_frozen_worker_comes_back_when_the_lease_ends(dsn: str) -> None:
    """A process that is stopped, not dead, keeps its session: only the lease frees what it held."""
    lane, receiver = new_lane(), Receiver()
    async with Database(dsn, role=ROLE, name="test") as database, lanes_bus(dsn, lane) as bus:
        await bus.publish([command(lane)])
        started = monotonic()
        [frozen] = await _work(database, lane, lease=SHORT).claim(1)
        await bus.consume(lane, receiver.receive)
        [got] = await receiver.wait_for(1)
    assert got.message_id == frozen.incoming.message_id
    assert monotonic() - started > SHORT.total_seconds() / 2


async def test_lease_lasts_as_long_as_the_handler(dsn: str, sql: Connection) -> None:
    """A mail server that takes its time must not have the mail sent twice."""
    lane, release, taken = new_lane(workers=2), asyncio.Event(), Receiver()

    async def receive(batch: Sequence[Incoming]) -> list[Disposition]:
        dispositions = await taken.receive(batch)
        await release.wait()
        return dispositions

    async def is_past_its_first_lease() -> bool:
        return bool(
            await sql.fetchval(
                "SELECT now() > first_seen_at + 1.2 * $2::interval AND lease_until > now()"
                "  FROM bus.lane_messages WHERE lane = $1",
                lane.name,
                RENEWABLE,
            )
        )

    async with lanes_bus(dsn, lane, lease=RENEWABLE) as bus:
        await bus.consume(lane, receive)
        await bus.publish([command(lane)])
        await _until(is_past_its_first_lease)
        release.set()
    assert len(taken.messages) == 1


async def test_claim_that_was_lost_cannot_touch_the_next_one(dsn: str, sql: Connection) -> None:
    """A worker that thaws reports on a message that somebody else has: its failure must not count for the other's."""
    lane = new_lane()
    async with Database(dsn, role=ROLE, name="test") as database, lanes_bus(dsn, lane) as bus:
        await bus.publish([command(lane)])
        slow, quick = _work(database, lane, lease=dt.timedelta()), _work(database, lane, lease=NEVER)
        lost = await slow.claim(1)
        [held] = await quick.claim(1)
        await slow.settle(lost, [Retry("thawed")])
        row = await sql.fetchrow(
            "SELECT attempt, lease_until > now() AS is_held FROM bus.lane_messages WHERE id = $1", held.id
        )
        assert row is not None
        assert (row["attempt"], row["is_held"]) == (0, True)
        await slow.settle(lost, [Ack()])  # but what is done is done, whoever did it
        assert await sql.fetchval("SELECT count(*) FROM bus.lane_messages WHERE id = $1", held.id) == 0


async def test_suspects_come_singly_and_after_twenty_deliveries_never(dsn: str, sql: Connection) -> None:
    """What kills whoever touches it must end, and where a person finds it."""
    lane, receiver, dead = new_lane(workers=2, batch=16), Receiver(), Receiver()
    for deliveries in (KILLER_AFTER, KILLER_AFTER, DELIVERY_LIMIT - 1, DELIVERY_LIMIT):
        await _store(sql, lane, deliveries=deliveries)
    async with lanes_bus(dsn, lane) as bus:
        await bus.consume(lane, receiver.receive)
        await bus.consume_dead([lane], dead.receive)
        await receiver.wait_for(3)
        [letter] = await dead.wait_for(1)
    assert receiver.sizes == [1, 1, 1]
    assert letter.dead_reason == "delivery_limit"


async def test_suspect_that_only_failed_is_none_any_more(dsn: str, sql: Connection) -> None:
    """A handler that came back alive is not what kills; its message need not stay slow."""
    lane = new_lane()
    await _store(sql, lane, deliveries=KILLER_AFTER)
    async with Database(dsn, role=ROLE, name="test") as database:
        terms = Terms(database=database, owner=Owner("test"), lease=NEVER, retry_delays=(dt.timedelta(),))
        assert await Work(lane.name, terms).claim(1) == []
        held = await Suspects(lane.name, terms).claim(1)
        await Suspects(lane.name, terms).settle(held, [Retry("flaky")])
        [again] = await Work(lane.name, terms).claim(1)
    assert (again.incoming.attempt, again.claim) == (1, 1)


async def test_message_that_nobody_was_notified_of_is_found(dsn: str, sql: Connection) -> None:
    """A process may die between its commit and its notification, and a listener be between two sessions."""
    lane, receiver = new_lane(), Receiver()
    async with lanes_bus(dsn, lane) as bus:
        await bus.consume(lane, receiver.receive)
        await bus.publish([command(lane)])
        await receiver.wait_for(1)  # from here on the workers rest
        await _store(sql, lane)
        await receiver.wait_for(2)


async def test_reply_that_nobody_was_notified_of_is_found(dsn: str, sql: Connection) -> None:
    """The verdict is stored; a lost notification must not make a 503 of it."""
    lane = new_lane(is_request=True)

    async def has_arrived() -> bool:
        return bool(await sql.fetchval("SELECT count(*) FROM bus.requests WHERE lane = $1", lane.name))

    async with lanes_bus(dsn, lane) as bus:
        asking = asyncio.create_task(bus.request(lane.name, command(lane, expires_at=_soon())))
        await _until(has_arrived)
        await sql.execute(
            """
            WITH done AS (DELETE FROM bus.requests WHERE lane = $1 RETURNING id, reply_to, valid_until)
            INSERT INTO bus.replies (request_id, reply_to, body, valid_until)
            SELECT id, reply_to, 'yes', valid_until FROM done
            """,
            lane.name,
        )
        assert await asking == b"yes"


async def test_lost_listener_comes_back_and_hears(dsn: str, sql: Connection) -> None:
    """Without its session every message would be a poll late, for ever, and nobody would notice."""
    lane, receiver = new_lane(), Receiver()
    sessions = "SELECT pid FROM pg_locks JOIN bus.lane_owners ON (owner & 4294967295)::oid = objid WHERE name = $1"

    async def has_a_session(*, other_than: int | None = None) -> bool:
        return await sql.fetchval(sessions, lane.name) not in (None, other_than)

    async with lanes_bus(dsn, lane, name=lane.name, poll=NEVER) as bus:
        await bus.consume(lane, receiver.receive)
        assert await has_a_session()
        lost = await sql.fetchval(sessions, lane.name)
        await sql.execute("SELECT pg_terminate_backend($1)", lost)
        await _until(lambda: has_a_session(other_than=lost))
        await eventually(bus.is_up)
        await bus.publish([command(lane)])
        await receiver.wait_for(1)


async def test_message_of_a_dead_process_does_not_wait_for_its_lease(dsn: str, sql: Connection) -> None:
    """Restarting a worker must not cost its last messages a minute: the end of its session tells that it died."""
    lane, receiver = new_lane(), Receiver()
    async with Database(dsn, role=ROLE, name="test") as database:
        owner = Owner("dead")
        session = await database.dedicated()
        owner.is_alive = await session.fetchval("SELECT bus.own_leases($1, $2)", owner.number, owner.name)
        await _store(sql, lane)
        terms = Terms(database=database, owner=owner, lease=NEVER, retry_delays=())
        [held] = await Work(lane.name, terms).claim(1)
        async with lanes_bus(dsn, lane) as bus:
            await bus.consume(lane, receiver.receive)
            session.terminate()
            [got] = await receiver.wait_for(1)
    assert got.message_id == held.incoming.message_id


async def test_request_of_a_dead_process_is_taken_by_another(dsn: str) -> None:
    """There is time enough in a login's 2.5 seconds for one more worker."""
    lane, taken = new_lane(is_request=True), asyncio.Event()
    receiver = Receiver(lambda _: Reply(b"yes"))

    async def hang(_batch: Sequence[Incoming]) -> list[Disposition]:
        taken.set()
        await asyncio.Event().wait()
        return []

    async with lanes_bus(dsn, lane) as asking:
        async with lanes_bus(dsn, lane, grace=dt.timedelta()) as leaving:
            await leaving.consume(lane, hang)
            deadline = _soon()
            answer = asyncio.create_task(asking.request(lane.name, command(lane, expires_at=deadline)))
            await taken.wait()
        await asking.consume(lane, receiver.receive)
        assert await answer == b"yes"


async def test_work_that_outlasts_the_shutdown_is_given_back(dsn: str, sql: Connection) -> None:
    """A process that is told to end ends; what it could not finish goes on elsewhere at once, under no suspicion."""
    lane, taken = new_lane(), asyncio.Event()

    async def hang(_batch: Sequence[Incoming]) -> list[Disposition]:
        taken.set()
        await asyncio.Event().wait()
        return []

    async with lanes_bus(dsn, lane, lease=NEVER, grace=dt.timedelta()) as leaving:
        await leaving.consume(lane, hang)
        await leaving.publish([command(lane)])
        await taken.wait()
    row = await sql.fetchrow("SELECT lease_until, deliveries FROM bus.lane_messages WHERE lane = $1", lane.name)
    assert row is not None
    assert tuple(row) == (None, 0)


async def test_two_processes_of_one_name_each_get_their_replies(dsn: str) -> None:
    """Gateways are replicas: a verdict that reached the wrong one would reach nobody."""
    lane = new_lane(is_request=True, workers=2, batch=8)
    deadline = _soon()
    async with lanes_bus(dsn, lane) as one, lanes_bus(dsn, lane) as other, lanes_bus(dsn, lane) as worker:
        await worker.consume(lane, Receiver(lambda got: Reply(got.body)).receive)

        async def ask(bus: Bus, body: bytes) -> bytes:
            return await bus.request(lane.name, command(lane, body, expires_at=deadline))

        bodies = [b"%d" % number for number in range(40)]
        replies = await asyncio.gather(*(ask((one, other)[i % 2], body) for i, body in enumerate(bodies)))
    assert replies == bodies


async def test_requests_and_replies_leave_nothing_behind(dsn: str, sql: Connection) -> None:
    """Their bodies hold sealed codes, and a lane that nobody works on must not fill the disk."""
    lane = new_lane(is_request=True)

    async def has_arrived() -> bool:
        return bool(await sql.fetchval("SELECT count(*) FROM bus.requests WHERE lane = $1", lane.name))

    async def is_empty() -> bool:
        rows = "SELECT (SELECT count(*) FROM bus.requests) + (SELECT count(*) FROM bus.replies)"
        return not await sql.fetchval(rows)

    async with lanes_bus(dsn, lane) as bus:
        asking = asyncio.create_task(bus.request(lane.name, command(lane, expires_at=_soon())))
        await _until(has_arrived)
        asking.cancel()
        await sql.execute("UPDATE bus.requests SET valid_until = now() WHERE lane = $1", lane.name)
        await _until(is_empty)


async def test_full_request_lane_refuses_at_once(dsn: str, sql: Connection) -> None:
    """With the workers gone the gateway must say 503 now, not pile up questions that nobody will answer in time."""
    lane = new_lane(is_request=True)
    await sql.execute(
        """
        INSERT INTO bus.requests (id, lane, message_id, body, expires_at, valid_until)
        SELECT gen_random_uuid(), $1, gen_random_uuid(), '', now(), now() + interval '1 hour'
          FROM generate_series(1, $2)
        """,
        lane.name,
        REQUEST_LANE_LENGTH,
    )
    async with lanes_bus(dsn, lane) as bus:
        with pytest.raises(BusUnavailable):
            await bus.request(lane.name, command(lane, expires_at=_soon()))
        assert await bus.publish([command(lane)]) == [PublishOutcome.REFUSED]
    await sql.execute("DELETE FROM bus.requests WHERE lane = $1", lane.name)


async def test_who_is_refused_for_want_of_room_costs_the_database_nothing(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused are those who are too many: a look at the database for each would be a statement more for it."""
    monkeypatch.setattr(asker, "MOST_HANDING_IN", 0)
    lane = new_lane(is_request=True)
    async with lanes_bus(dsn, lane) as bus:
        await eventually(lambda: bus.is_up() and not bus._listener._look.is_set())
        with pytest.raises(BusUnavailable):
            await bus.request(lane.name, command(lane, expires_at=_soon()))
        assert not bus._listener._look.is_set()


async def test_message_that_cannot_be_stored_holds_up_no_neighbour(dsn: str) -> None:
    """One statement stores a batch; one bad row in it would stop the outbox for ever."""
    lane, receiver = new_lane(), Receiver()
    bad = Outgoing(
        message_id=new_id(),
        exchange=Exchange.COMMANDS,
        routing_key=lane.name,
        body=b"",
        headers={"a": "\x00"},  # which jsonb does not take
    )
    async with lanes_bus(dsn, lane) as bus:
        outcomes = await bus.publish([command(lane), bad, command(lane)])
        assert outcomes == [PublishOutcome.CONFIRMED, PublishOutcome.REFUSED, PublishOutcome.CONFIRMED]
        await bus.consume(lane, receiver.receive)
        await receiver.wait_for(2)


async def test_claims_never_read_the_whole_table(dsn: str, sql: Connection) -> None:
    """A plan made while a lane was empty must not be the plan for its backlog: it would take a second a message."""
    lane = new_lane()
    scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relid = 'bus.lane_messages'::regclass"
    others = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )

    async def is_alone() -> bool:
        return not await sql.fetchval(others)

    await _until(is_alone)  # a session tells what it scanned as it ends, which is after its client has left
    await sql.execute("VACUUM ANALYZE bus.lane_messages")
    async with Database(dsn, role=ROLE, name="test", size=1) as database:
        work = _work(database, lane, lease=NEVER)
        async with database.connection() as conn:
            before = await sql.fetchval(scans)
        for _ in range(10):
            assert await work.claim(4) == []
        await sql.execute(
            """
            INSERT INTO bus.lane_messages (id, lane, message_id, body)
            SELECT gen_random_uuid(), $1, gen_random_uuid(), '' FROM generate_series(1, 5000)
            """,
            lane.name,
        )
        held = await work.claim(4)
        assert len(held) == 4
        await work.renew(held)
        await work.settle(held, [Ack(), Ack(), Retry("flaky"), Retry("flaky")])
        async with database.connection() as conn:
            await conn.execute("SELECT pg_stat_force_next_flush()")
            await conn.execute("SELECT")
    assert await sql.fetchval(scans) == before
    await sql.execute("DELETE FROM bus.lane_messages WHERE lane = $1", lane.name)


@pytest.mark.parametrize("service", ["gateway", "otp_worker", "policy", "notifier", "audit", "operator"])
async def test_each_service_has_the_rights_that_the_lanes_need(dsn: str, service: str) -> None:
    """Services are roles of their own; one without a right would find out at its first message."""
    work, questions = new_lane(), new_lane(is_request=True)
    receiver, dead = Receiver(lambda _: Retry("dies")), Receiver()
    deadline = _soon()
    role = f"deskfactor_{service}"
    async with lanes_bus(dsn, work, questions, role=role, retry_delays=()) as bus:
        await bus.consume(work, receiver.receive)
        await bus.consume(questions, Receiver(lambda got: Reply(got.body)).receive)
        await bus.consume_dead([work], dead.receive)
        assert await bus.publish([command(work)]) == [PublishOutcome.CONFIRMED]
        assert await bus.request(questions.name, command(questions, b"yes", expires_at=deadline)) == b"yes"
        await dead.wait_for(1)


async def test_killed_server_costs_nothing_that_was_confirmed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The lanes are as safe as the database: down with it, said at once, and back with it by themselves."""
    lane, questions, receiver = new_lane(workers=2, batch=8), new_lane(is_request=True), Receiver()
    with Postgres(tmp_path_factory.mktemp("killed")) as server:
        async with migrated_database(server, "lanes") as dsn, lanes_bus(dsn, lane, questions) as bus:
            await bus.consume(questions, Receiver(lambda got: Reply(got.body)).receive)
            sent = [command(lane) for _ in range(50)]
            assert await bus.publish(sent) == [PublishOutcome.CONFIRMED] * 50
            server.kill()
            assert await bus.publish([command(lane)]) == [PublishOutcome.UNKNOWN]
            deadline = _soon(3 * PATIENCE)
            with pytest.raises(BusUnavailable):
                await bus.request(questions.name, command(questions, expires_at=deadline))
            assert host_now() < deadline - NOT_AT_ONCE
            await eventually(lambda: not bus.is_up())
            server.start()
            await eventually(bus.is_up)
            await bus.consume(lane, receiver.receive)
            await receiver.wait_for(50)
            assert await bus.request(questions.name, command(questions, b"yes", expires_at=_soon())) == b"yes"
    assert {each.message_id for each in sent} <= {got.message_id for got in receiver.messages}
