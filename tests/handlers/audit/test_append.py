"""Every event becomes one entry, whatever arrives, how often and at whose hands."""

import asyncio
import itertools
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast
from uuid import UUID

import asyncpg
import pytest
from structlog.testing import capture_logs

from services.audit.consumers import TABLE
from services.audit.domain.heads import SIGN_AFTER_ENTRIES
from services.audit.handlers.heads import sign_due_heads
from shared.contracts import events
from shared.contracts.codec import EVENTS, decode
from shared.contracts.commands import SYSTEM_TENANT
from shared.contracts.envelope import Envelope, Event, begin
from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.bus import Ack
from shared.messaging.topology import AUDIT_EVENTS
from tests.handlers.audit.conftest import AT, Audit, login

if TYPE_CHECKING:
    from shared.db.connection import Record

BATCH = 50


async def entries_of(intruder: "asyncpg.Connection[Record]", tenant_id: UUID) -> list["Record"]:
    """The chain of a tenant as it is stored."""
    return await intruder.fetch(
        """
        SELECT seq, entry_id, kind, pseudonym, previous_hash, hash
          FROM audit.entries WHERE tenant_id = $1 ORDER BY seq
        """,
        tenant_id,
    )


async def test_two_consumers_append_a_thousand_events_without_gap_and_once_each(
    audit: Audit, intruder: "asyncpg.Connection[Record]"
) -> None:
    """Replicas share a tenant's chain, and every broker redelivers: neither may tear or double it."""
    tenants = [new_id() for _ in range(3)]
    facts = [login(tenant, f"account-{number % 40}") for number, tenant in zip(range(1000), itertools.cycle(tenants))]
    chance = random.Random(7)
    deliveries = [facts + chance.sample(facts, 200), chance.sample(facts, 300)]
    for delivery in deliveries:
        chance.shuffle(delivery)

    async def consume(delivery: Sequence[Envelope[Event]]) -> None:
        for start in range(0, len(delivery), BATCH):
            answers = await audit.append(delivery[start : start + BATCH])
            assert all(answer == Ack() for answer in answers)

    await asyncio.gather(*(consume(delivery) for delivery in deliveries))

    for tenant in tenants:
        stored = await entries_of(intruder, tenant)
        assert [row["seq"] for row in stored] == list(range(1, len(stored) + 1))
        said = [fact.id for fact in facts if fact.tenant_id == tenant]
        assert sorted(row["entry_id"] for row in stored) == sorted(said)
        assert all(row["previous_hash"] == before["hash"] for before, row in itertools.pairwise(stored))


async def test_events_of_different_types_that_arrive_together_are_one_transaction(
    audit: Audit, intruder: "asyncpg.Connection[Record]"
) -> None:
    """A transaction for each type would cost a commit each: the log is the busiest lane."""
    tenant = new_id()
    cancelled = begin(
        events.TenantSuspended(), tenant_id=tenant, account_id=None, actor="operator:ann", source="/cli", at=AT
    )

    await audit.append([login(tenant), cancelled, login(tenant)])

    assert [row["kind"] for row in await entries_of(intruder, tenant)] == [
        "login.decided",
        "tenant.suspended",
        "login.decided",
    ]
    written = await intruder.fetch(
        "SELECT DISTINCT xmin::text AS by_transaction FROM audit.entries WHERE tenant_id = $1", tenant
    )
    assert len(written) == 1


def test_every_event_has_its_place_in_the_log() -> None:
    """An event that is not appended would leave no trace."""
    assert {row.message for row in TABLE.rows if row.lane == AUDIT_EVENTS} == set(EVENTS.values())


async def test_what_concerns_no_account_and_no_tenant_is_remembered_too(
    audit: Audit, intruder: "asyncpg.Connection[Record]"
) -> None:
    """The system's own facts have a chain like any tenant's."""
    fact = login(SYSTEM_TENANT, None)

    await audit.append([fact])

    [row] = [row for row in await entries_of(intruder, SYSTEM_TENANT) if row["entry_id"] == fact.id]
    assert row["pseudonym"] is None


async def test_no_account_and_no_fact_is_legible_in_the_table(
    audit: Audit, intruder: "asyncpg.Connection[Record]"
) -> None:
    """Whoever copies the tables without the key ring learns when something happened, not to whom or what."""
    tenant = new_id()
    await audit.append([login(tenant, "ann"), login(tenant, "bob")])

    stored = await intruder.fetch("SELECT e::text AS line FROM audit.entries AS e WHERE tenant_id = $1", tenant)
    sealed = await intruder.fetch("SELECT sealed FROM audit.payloads WHERE tenant_id = $1", tenant)

    assert len(stored) == len(sealed) == 2
    assert not any("ann" in row["line"] or "bob" in row["line"] for row in stored)
    assert not any(b"not_required" in row["sealed"] for row in sealed)
    assert len({row["pseudonym"] for row in await entries_of(intruder, tenant)}) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit.entries SET kind = 'x'",
        "DELETE FROM audit.entries",
        "TRUNCATE audit.entries",
        "UPDATE audit.payloads SET sealed = ''",
        "DELETE FROM audit.payloads",
        "UPDATE audit.account_keys SET salt = ''",
        "DELETE FROM audit.heads",
    ],
)
async def test_the_service_may_append_but_neither_change_nor_delete(audit: Audit, statement: str) -> None:
    """Somebody who takes over the service must not be able to undo what it remembered."""
    tenant = new_id()
    await audit.append([login(tenant)])

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with audit.database.transaction([tenant]) as conn:
            await conn.execute(statement)


async def test_a_transaction_sees_the_chains_of_its_tenants_only(audit: Audit) -> None:
    """A query that forgets its tenant shows nothing of another's."""
    mine, other = new_id(), new_id()
    await audit.append([login(mine), login(other)])

    async with audit.database.transaction([mine]) as conn:
        seen = await conn.fetch("SELECT DISTINCT tenant_id FROM audit.entries")

    assert [row["tenant_id"] for row in seen] == [mine]


async def announced(database: Database, tenant_id: UUID) -> int:
    """How many signed heads of a tenant were said."""
    async with database.connection() as conn:
        found: int = await conn.fetchval(
            "SELECT count(*) FROM bus.outbox WHERE tenant_id = $1 AND routing_key = 'audit.head'", tenant_id
        )
    return found


async def test_a_full_chain_is_signed_with_the_entry_that_fills_it(audit: Audit) -> None:
    """Under load, signing must not wait for the hour: what is not signed yet can be cut off unseen."""
    tenant = new_id()
    facts = [login(tenant) for _ in range(SIGN_AFTER_ENTRIES)]

    for start in range(0, SIGN_AFTER_ENTRIES - BATCH, BATCH):
        await audit.append(facts[start : start + BATCH])
    assert await announced(audit.database, tenant) == 0

    await audit.append(facts[-BATCH:])
    assert await announced(audit.database, tenant) == 1


async def test_the_duty_signs_what_is_due_once(audit: Audit) -> None:
    """Every replica has the duty; a head that was just signed is not signed again."""
    tenant = new_id()
    await audit.append([login(tenant)])

    await asyncio.gather(sign_due_heads(audit.deps), sign_due_heads(audit.deps))
    await sign_due_heads(audit.deps)

    assert await announced(audit.database, tenant) == 1


async def test_a_signed_head_is_written_to_the_log_when_it_comes_round(audit: Audit) -> None:
    """Whoever owns the database does not own the log: a cut tail can be shown from there."""
    tenant = new_id()
    await audit.append([login(tenant)])
    await sign_due_heads(audit.deps)
    async with audit.database.connection() as conn:
        body = await conn.fetchval(
            "SELECT body FROM bus.outbox WHERE tenant_id = $1 AND routing_key = 'audit.head'", tenant
        )

    with capture_logs() as lines:
        await audit.append([cast("Envelope[Event]", decode(body))])

    [line] = [line for line in lines if line["event"] == "audit_head"]
    assert (line["tenant_id"], line["seq"]) == (str(tenant), 1)
    assert {"hash", "signed_at", "key_id", "signature"} <= line.keys()
