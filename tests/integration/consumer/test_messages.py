"""The consumer on a real database: what a crash, a poisonous message or a message that comes twice leaves."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from shared.clock import host_now
from shared.contracts.codec import encode
from shared.contracts.commands import ReadAccount, Unlock
from shared.contracts.envelope import Command
from shared.contracts.events import NotificationSent
from shared.contracts.replies import RefusalCode
from shared.crypto.keyring import UnknownKey
from shared.db.connection import Connection
from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.bus import Ack, Dead, Incoming, Reply, Retry
from shared.messaging.consumer import TRIES
from shared.messaging.outcome import Deferred, Discard, Done, ListOutcome
from shared.messaging.topology import POLICY_COMMANDS, POLICY_REQUESTS
from shared.messaging.unit_of_work import UnitOfWork
from tests.conftest import DatabaseFor
from tests.contracts.examples import example
from tests.support.scripted import (
    LISTED,
    ROLE,
    SINGLE,
    consumer_on,
    incoming,
    miscount,
    says,
    table,
)
from tests.support.scripted_service import MANY, Service, raises, request


@pytest.mark.parametrize("data", [SINGLE, LISTED], ids=["single", "list"])
async def test_a_message_that_comes_twice_has_one_effect(service: Service, data: Command) -> None:
    """Every transport may deliver twice: after a lost acknowledgement it must."""
    envelope = service.envelope(data)
    assert await service.hand(envelope) == [Ack()]
    assert await service.hand(envelope) == [Ack()]
    assert await service.effects() == 1


async def test_a_message_twice_in_one_batch_has_one_effect(service: Service) -> None:
    """A publish whose confirm was lost puts both copies side by side."""
    envelope, other = service.envelope(LISTED), service.envelope(LISTED, "bob")
    assert await service.hand(envelope, other, envelope) == [Ack()] * 3
    assert (await service.effects(), await service.effects("bob")) == (1, 1)
    assert service.script.calls == [("ann", "bob")]


async def test_two_processes_with_the_same_message_have_one_effect(service: Service, database_for: DatabaseFor) -> None:
    """A frozen worker wakes up beside the one that took its message over."""
    twin = consumer_on(await database_for("policy"), service.script, service.answers)
    batch = [incoming(service.envelope(LISTED, name), POLICY_COMMANDS) for name in MANY]
    one, other = await asyncio.gather(service.consumer.receive(batch), twin.receive(list(reversed(batch))))
    assert one == other == [Ack()] * 4
    assert [await service.effects(name) for name in MANY] == [1, 1, 1, 1]


async def test_a_poisonous_message_hurts_no_neighbour(service: Service) -> None:
    """One message that always fails would otherwise take a batch of two hundred to the dead letters with it."""
    service.script.of["bob"] = raises(ValueError())
    done = await service.hand(*(service.envelope(LISTED, name) for name in MANY))
    assert done == [Ack(), Retry("ValueError"), Ack(), Ack()]
    assert [await service.effects(name) for name in MANY] == [1, 0, 1, 1]


async def test_a_discarded_message_rolls_back_its_own_work_and_no_neighbours(service: Service) -> None:
    """What will never succeed is set aside; the others stay one transaction."""
    service.script.of["bob"] = says(Discard("not_ours"))
    done = await service.hand(*(service.envelope(LISTED, name) for name in MANY))
    assert done == [Ack(), Dead("not_ours"), Ack(), Ack()]
    assert [await service.effects(name) for name in MANY] == [1, 0, 1, 1]
    assert service.script.calls == [MANY, ("ann", "cid", "dan"), ("bob",)]


async def test_a_deferred_message_is_not_taken_for_handled(service: Service) -> None:
    """Its row in the inbox must not commit with the others: the next look would find it done, and it be lost."""
    left = [1]

    async def defer_once(_uow: UnitOfWork) -> ListOutcome:
        left[0] -= 1
        return Deferred() if left[0] >= 0 else Done()

    service.script.of["bob"] = defer_once
    assert await service.hand(*(service.envelope(LISTED, name) for name in MANY)) == [Ack()] * 4
    assert [await service.effects(name) for name in MANY] == [1, 1, 1, 1]


async def test_a_handler_that_forgets_a_message_changes_nothing(service: Service, database_for: DatabaseFor) -> None:
    """With the outcomes shifted by one, the wrong message would be acknowledged."""
    database = await database_for("policy")
    miscounting = consumer_on(database, service.script, service.answers, handlers=table(miscount))
    batch = [incoming(service.envelope(LISTED, name), POLICY_COMMANDS) for name in MANY]
    assert await miscounting.receive(batch) == [Retry("HandlerMiscounted")] * 4
    assert [await service.effects(name) for name in MANY] == [0, 0, 0, 0]


async def test_what_is_no_message_of_ours_dies_and_its_neighbours_live(service: Service) -> None:
    """Bytes of a stranger, or of a newer version, will not become readable by being tried again."""
    good = incoming(service.envelope(LISTED), POLICY_COMMANDS)
    newer = encode(service.envelope(LISTED)).replace(b"prove_mailbox", b"prove_mailbox_anew")
    strange = [
        Incoming(lane=good.lane, message_id=new_id(), body=body, first_seen_at=host_now()) for body in (b"?", newer)
    ]
    assert await service.consumer.receive([strange[0], good, strange[1]]) == [
        Dead("not_a_cloudevent"),
        Ack(),
        Dead("unknown_type"),
    ]
    assert await service.effects() == 1


async def test_a_command_that_nobody_handles_is_not_swallowed(service: Service) -> None:
    """A lane of events gets more than its service listens to; a command was meant for it, and must be found again."""
    command = service.envelope(Unlock(hours=1, reason=""))
    event = service.envelope(example(NotificationSent.type).data)
    assert await service.hand(command, event) == [Dead("no_handler"), Ack()]


async def test_rows_and_messages_commit_together_or_not_at_all(service: Service) -> None:
    """A message about a change that was rolled back is a lie; a change that nobody hears of is lost work."""
    said = service.envelope(SINGLE)

    async def publish_and_fail(uow: UnitOfWork) -> ListOutcome:
        uow.publish(said)
        raise ValueError

    async def publish(uow: UnitOfWork) -> ListOutcome:
        uow.publish(said)
        return Done()

    service.script.of = {"ann": publish_and_fail, "bob": publish}
    counted = "SELECT count(*) FROM bus.outbox WHERE message_id = $1"
    assert await service.hand(service.envelope(SINGLE, "ann")) == [Retry("ValueError")]
    assert (await service.effects("ann"), await service.sql.fetchval(counted, said.id)) == (0, 0)
    assert await service.hand(service.envelope(SINGLE, "bob")) == [Ack()]
    assert (await service.effects("bob"), await service.sql.fetchval(counted, said.id)) == (1, 1)


async def test_an_error_that_a_handler_swallowed_is_not_acknowledged(service: Service) -> None:
    """PostgreSQL answers the COMMIT of a failed transaction with a rollback, and without an error."""

    async def swallow(uow: UnitOfWork) -> ListOutcome:
        with pytest.raises(asyncpg.PostgresError):
            await uow.conn.execute("SELECT 1 / 0")
        return Done()

    service.script.of["ann"] = swallow
    envelope = service.envelope(SINGLE)
    assert await service.hand(envelope) == [Retry("NotCommitted")]
    del service.script.of["ann"]
    assert await service.hand(envelope) == [Ack()]
    assert await service.effects() == 1


async def test_a_lost_race_is_run_again(service: Service) -> None:
    """A deadlock has a victim that did nothing wrong; it must not wait for the ladder, nor get an error."""
    service.script.of = {
        "ann": raises(asyncpg.DeadlockDetectedError(), times=TRIES - 1),
        "bob": raises(asyncpg.DeadlockDetectedError()),
    }
    assert await service.hand(service.envelope(SINGLE, "ann")) == [Ack()]
    assert await service.hand(service.envelope(SINGLE, "bob")) == [Retry("DeadlockDetectedError")]
    assert (await service.effects("ann"), await service.effects("bob")) == (1, 0)


async def test_a_missing_key_is_told_as_such(service: Service) -> None:
    """Fail closed: a request hears 503, a message comes again when the operator has put the key back."""
    service.script.of["ann"] = raises(UnknownKey())
    assert await service.ask(service.envelope(ReadAccount())) == [RefusalCode.KEY_MISSING]
    assert await service.hand(service.envelope(SINGLE)) == [Retry("key_missing")]


async def test_work_that_is_cancelled_leaves_nothing_and_is_done_later(service: Service) -> None:
    """What does not end within the 25 seconds of a shutdown is another process's, from the beginning."""
    begun = asyncio.Event()

    async def hang(_uow: UnitOfWork) -> ListOutcome:
        begun.set()
        await asyncio.Event().wait()
        return Done()

    service.script.of["ann"] = hang
    envelope = service.envelope(SINGLE)
    work = asyncio.create_task(service.hand(envelope))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await service.effects() == 0
    del service.script.of["ann"]
    assert await service.hand(envelope) == [Ack()]
    assert await service.effects() == 1


@pytest.fixture
async def outage(dsn: str, sql: Connection) -> Callable[[bool], Awaitable[None]]:
    """Shuts the database, whoever is connected, and opens it again."""
    name = await sql.fetchval("SELECT current_database()")

    async def shut(is_shut: bool) -> None:  # noqa: FBT001 - on and off
        operator = await asyncpg.connect(dsn.replace(f"/{name}?", "/postgres?"))
        try:
            await operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {not is_shut}")
            if is_shut:
                leave = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename <> ''"
                await operator.execute(f"{leave} AND application_name LIKE 'test-%'", name)
        finally:
            await operator.close()

    return shut


async def test_an_outage_of_the_database_burns_no_attempt(
    service: Service, outage: Callable[[bool], Awaitable[None]]
) -> None:
    """An hour without PostgreSQL would otherwise turn everything in hand into dead letters; and a login hears 503."""
    assert await service.ask(service.envelope(ReadAccount())) == [1]
    await outage(True)
    try:
        held = [
            asyncio.create_task(service.hand(service.envelope(SINGLE, "bob"))),
            asyncio.create_task(service.hand(*(service.envelope(LISTED, name) for name in ("cid", "dan")))),
        ]
        assert await service.ask(service.envelope(ReadAccount())) == [RefusalCode.UNAVAILABLE]
        assert not any(task.done() for task in held)
    finally:
        await outage(False)
    assert await asyncio.gather(*held) == [[Ack()], [Ack(), Ack()]]
    assert [await service.effects(name) for name in MANY] == [1, 1, 1, 1]
    assert service.script.calls[-1] == ("cid", "dan") or service.script.calls[-2] == ("cid", "dan")


async def test_statements_keep_their_index_as_the_tables_grow(service: Service, dsn: str) -> None:
    """A plan is kept with its connection: one made while a table was empty must not read all of it ever after."""
    async with Database(dsn, role=ROLE, name="test", size=1) as database:
        consumer = consumer_on(database, service.script, service.answers)

        async def work(numbers: range) -> None:
            for number in numbers:
                batch = [incoming(service.envelope(request(f"k{number}")), POLICY_REQUESTS)]
                assert isinstance((await consumer.receive(batch))[0], Reply)
                assert await consumer.receive([incoming(service.envelope(LISTED), POLICY_COMMANDS)]) == [Ack()]

        async def scans() -> int:
            async with database.connection() as conn:
                await conn.execute("SELECT pg_stat_force_next_flush()")
                await conn.execute("SELECT")
            found: int = await service.sql.fetchval(
                """
                SELECT sum(seq_scan) FROM pg_stat_user_tables
                 WHERE schemaname = 'bus' AND (relname = 'answers' OR relname ~ '^(inbox|outbox)')
                """
            )
            return found

        await service.sql.execute("VACUUM ANALYZE bus.answers, bus.inbox, bus.outbox")
        await work(range(7))  # from the sixth time on the server's plan is the generic one
        await service.sql.execute(
            """
            INSERT INTO bus.answers (tenant_id, scope, key, fingerprint, reply, holds_secret)
            SELECT $1, 'POST /v1/x', 'many' || n, '', 'x', false FROM generate_series(1, 5000) AS n
            """,
            service.tenant_id,
        )
        before = await scans()
        await work(range(7, 10))
        assert await scans() == before
