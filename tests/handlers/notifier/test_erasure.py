"""An account leaves: nothing is sent to it any more, and what was sent is forgotten."""

import asyncio
import dataclasses

from services.notifier.domain.attempt import Sent
from services.notifier.handlers.outcomes import Judged, write_down
from services.notifier.queries.deliveries import claim_deliveries
from shared.clock import host_now
from shared.contracts.codec import decode, encode
from shared.contracts.commands import ConcludeErasure
from shared.contracts.envelope import begin
from shared.contracts.events import AccountErased
from shared.contracts.types import Channel, Keeper
from shared.ids import new_id
from shared.messaging.bus import Ack, Incoming
from shared.messaging.topology import NOTIFIER_EVENTS
from tests.handlers.notifier.conftest import Desk
from tests.support.eventually import eventually


async def leave(desk: Desk, account_id: str = "ann") -> None:
    """What policy commits when the account is erased."""
    await desk.rows(
        """
        INSERT INTO policy.erasures (tenant_id, account_id, erasure_id, told_at, erased_at, erased_system_at)
        VALUES ($1, $2, $3, now(), policy.tenant_now($1), clock_timestamp())
        """,
        desk.tenant_id,
        account_id,
        new_id(),
    )


async def hear(desk: Desk, account_id: str = "ann") -> None:
    """What it then says."""
    erased = begin(
        AccountErased(erasure_id=new_id()),
        tenant_id=desk.tenant_id,
        account_id=account_id,
        actor="api_key:1",
        source="/policy",
        at=host_now(),
    )
    incoming = Incoming(lane=NOTIFIER_EVENTS.name, message_id=erased.id, body=encode(erased), first_seen_at=host_now())
    assert await desk.consumer.receive([incoming]) == [Ack()]


async def left_over(desk: Desk) -> tuple[int, int]:
    """Deliveries and sandbox messages of the tenant."""
    [deliveries] = await desk.rows("SELECT count(*) FROM notifier.deliveries WHERE tenant_id = $1", desk.tenant_id)
    [messages] = await desk.rows("SELECT count(*) FROM notifier.sandbox_messages WHERE tenant_id = $1", desk.tenant_id)
    return deliveries["count"], messages["count"]


async def test_what_was_sent_is_forgotten(desk: Desk, sending: None) -> None:
    """Addresses and texts of somebody who has left are nobody's business; those of others stay."""
    mail = desk.mail()
    bobs = dataclasses.replace(desk.mail(), account_id="bob")
    await desk.handle(mail)
    await desk.state(mail.data.delivery_id, "accepted")
    await desk.handle(bobs)
    await eventually(lambda: left_over(desk), lambda found: found[0] == 2)
    await leave(desk)
    await hear(desk)
    assert (await left_over(desk))[0] == 1
    [said] = await desk.rows(
        "SELECT body FROM bus.outbox WHERE tenant_id = $1 AND routing_key = 'policy.commands'", desk.tenant_id
    )
    done = decode(said["body"])
    assert isinstance(done.data, ConcludeErasure)
    assert (done.account_id, done.data.keeper) == ("ann", Keeper.NOTIFIER)
    [other] = await desk.rows("SELECT account_id FROM notifier.deliveries WHERE tenant_id = $1", desk.tenant_id)
    assert other["account_id"] == "bob"


async def test_a_message_for_who_has_left_is_not_queued(desk: Desk) -> None:
    """It was on its way: a mail after the end would tell that we still have the address."""
    await leave(desk)
    await desk.handle(desk.mail(), desk.text())
    assert await left_over(desk) == (0, 0)


async def test_a_new_account_of_the_same_id_is_told_what_is_its_own(desk: Desk) -> None:
    """What was said to the one before goes to nobody."""
    late = desk.mail()
    await leave(desk)
    await desk.rows(
        "INSERT INTO policy.accounts (tenant_id, account_id, role, created_at) VALUES ($1, 'ann', 'agent', now())",
        desk.tenant_id,
    )
    await desk.handle(late)
    assert await left_over(desk) == (0, 0)
    await desk.handle(desk.mail())
    await hear(desk)
    assert await left_over(desk) == (1, 0)


async def test_what_is_being_sent_leaves_no_trace(desk: Desk) -> None:
    """A provider took its time: the outcome finds no row, and the sandbox keeps no copy."""
    await desk.handle(desk.mail())
    async with desk.deps.database.transaction(work_queues=True) as conn:
        [claimed] = await claim_deliveries(conn, Channel.EMAIL, limit=1)
    await leave(desk)
    await hear(desk)
    content = {"to": "ann@acme.example", "text": "hello"}
    await write_down([Judged(claimed, Sent(provider_id=None), content)], desk.deps)
    assert await left_over(desk) == (0, 0)
    assert await desk.events(claimed.delivery.delivery_id) == []


async def test_queueing_waits_for_who_decides_about_the_account(desk: Desk) -> None:
    """Else a delivery could be stored a moment after all deliveries of the account were deleted."""
    lock = "pg_advisory_xact_lock(hashtextextended($1::uuid || ':ann', 0))"
    async with desk.deps.database.transaction([desk.tenant_id]) as conn:
        await conn.execute(f"SELECT {lock}", desk.tenant_id)
        queueing = asyncio.create_task(desk.handle(desk.mail()))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        await eventually(lambda: desk.rows(waiting), lambda rows: rows[0]["count"] > 0)
        await leave(desk)
    await queueing
    assert await left_over(desk) == (0, 0)
