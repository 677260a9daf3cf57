"""An account leaves: its entries stay in the chain, and nobody can say any more whose they were or what they held."""

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest

from services.audit.verification import verify_chain
from shared.contracts import events
from shared.contracts.codec import decode
from shared.contracts.commands import ConcludeErasure
from shared.contracts.envelope import Envelope, Event, begin
from shared.contracts.types import Keeper
from shared.ids import new_id
from tests.handlers.audit.conftest import AT, Audit, login

if TYPE_CHECKING:
    from shared.db.connection import Record

MINUTE = dt.timedelta(minutes=1)


async def leave(
    intruder: "asyncpg.Connection[Record]", tenant_id: UUID, account_id: str, at: dt.datetime
) -> Envelope[Event]:
    """What policy commits when an account is erased, and what it then says."""
    erased = events.AccountErased(erasure_id=new_id())
    await intruder.execute(
        """
        INSERT INTO policy.erasures (tenant_id, account_id, erasure_id, told_at, erased_at, erased_system_at)
        VALUES ($1, $2, $3, $4, $4, clock_timestamp())
        """,
        tenant_id,
        account_id,
        erased.erasure_id,
        at,
    )
    return begin(erased, tenant_id=tenant_id, account_id=account_id, actor="api_key:1", source="/policy", at=at)


async def come_back(intruder: "asyncpg.Connection[Record]", tenant_id: UUID, account_id: str) -> None:
    """A new account of the same id."""
    await intruder.execute(
        "INSERT INTO policy.accounts (tenant_id, account_id, role, created_at) VALUES ($1, $2, 'agent', now())",
        tenant_id,
        account_id,
    )


async def is_intact(audit: Audit, tenant_id: UUID) -> bool:
    """Whether the chain verifies."""
    return (await verify_chain(audit.database, tenant_id, keys=audit.deps.signer.public_keys)).is_intact


async def traces(intruder: "asyncpg.Connection[Record]", tenant_id: UUID, account_id: str) -> tuple[int, int]:
    """Keys of the account, and payloads of the tenant."""
    keys = await intruder.fetchval(
        "SELECT count(*) FROM audit.account_keys WHERE tenant_id = $1 AND account_id = $2", tenant_id, account_id
    )
    payloads = await intruder.fetchval("SELECT count(*) FROM audit.payloads WHERE tenant_id = $1", tenant_id)
    return keys, payloads


async def test_payloads_and_key_go_and_the_chain_verifies(audit: Audit, intruder: "asyncpg.Connection[Record]") -> None:
    """What the person did is nobody's to read; that something happened then is still proved."""
    tenant = new_id()
    await audit.append([login(tenant, "ann"), login(tenant, "bob"), login(tenant, "ann")])
    erased = await leave(intruder, tenant, "ann", AT + MINUTE)
    await audit.append([erased])
    assert await traces(intruder, tenant, "ann") == (0, 2)  # bob's, and that an account was erased
    entries = (await audit.read(tenant)).entries
    assert [(entry.seq, entry.account_id, entry.event is not None) for entry in entries] == [
        (1, None, False),
        (2, "bob", True),
        (3, None, False),
        (4, None, True),
    ]
    assert (await audit.read(tenant, "ann")).entries == ()
    assert await is_intact(audit, tenant)
    [said] = await intruder.fetch(
        "SELECT body FROM bus.outbox WHERE tenant_id = $1 AND routing_key = 'policy.commands'", tenant
    )
    done = decode(said["body"])
    assert isinstance(done.data, ConcludeErasure)
    assert (done.account_id, done.data.keeper) == ("ann", Keeper.AUDIT)


async def test_that_an_account_was_erased_stays_readable_without_its_id(
    audit: Audit, intruder: "asyncpg.Connection[Record]"
) -> None:
    """Who erased when is the tenant's to know, and which entries it was about; not who it was."""
    tenant = new_id()
    await audit.append([login(tenant, "ann")])
    await audit.append([await leave(intruder, tenant, "ann", AT + MINUTE)])
    before, entry = (await audit.read(tenant)).entries
    assert (entry.type, entry.actor, entry.account_id) == ("account.erased", "api_key:1", None)
    assert entry.event is not None
    assert "subject" not in entry.event
    pseudonyms = await intruder.fetch("SELECT pseudonym FROM audit.entries WHERE tenant_id = $1 ORDER BY seq", tenant)
    assert pseudonyms[0] == pseudonyms[1]
    assert before.event is None


async def test_news_that_come_after_the_end_are_kept_by_name_only(
    audit: Audit, intruder: "asyncpg.Connection[Record]"
) -> None:
    """Events of several services overtake each other: a late one must not bring the person's id back."""
    tenant = new_id()
    await audit.append([login(tenant, "ann")])
    erased = await leave(intruder, tenant, "ann", AT + MINUTE)
    await audit.append([erased, login(tenant, "ann", minute=1), login(tenant, "ann", minute=2)])
    await audit.append([login(tenant, "ann")])
    assert await traces(intruder, tenant, "ann") == (0, 1)
    assert [entry.event is not None for entry in (await audit.read(tenant)).entries] == [
        False,
        True,
        False,
        False,
        False,
    ]
    assert await is_intact(audit, tenant)


@pytest.mark.parametrize("is_late", [False, True], ids=["erasure first", "erasure last"])
async def test_a_new_account_of_the_same_id_has_a_pseudonym_and_a_key_of_its_own(
    audit: Audit,
    intruder: "asyncpg.Connection[Record]",
    is_late: bool,  # noqa: FBT001
) -> None:
    """Whoever is given the id must not be found under the one who had it, nor lose anything by that one's end."""
    tenant = new_id()
    await audit.append([login(tenant, "ann")])
    erased = await leave(intruder, tenant, "ann", AT + MINUTE)
    await come_back(intruder, tenant, "ann")
    fresh = login(tenant, "ann", minute=2)
    for event in [fresh, erased] if is_late else [erased, fresh]:
        await audit.append([event])
    await audit.append([dataclasses.replace(erased, id=new_id())])
    [only] = (await audit.read(tenant, "ann")).entries
    assert only.id == str(fresh.id)
    assert only.event is not None
    pseudonyms = {
        row["pseudonym"]
        for row in await intruder.fetch(
            "SELECT pseudonym FROM audit.entries WHERE tenant_id = $1 AND kind = 'login.decided'", tenant
        )
    }
    assert len(pseudonyms) == 2
    assert await is_intact(audit, tenant)


async def test_the_service_can_erase_only_whom_policy_has_erased(
    audit: Audit, intruder: "asyncpg.Connection[Record]"
) -> None:
    """The one door through which payloads go opens for nobody else, and for no other tenant."""
    tenant = new_id()
    await audit.append([login(tenant, "ann"), login(tenant, "bob")])
    await leave(intruder, tenant, "bob", AT + MINUTE)
    async with audit.database.transaction([tenant]) as conn:
        assert await conn.fetchval("SELECT audit.erase_account($1, 'ann')", tenant) == 0
        assert await conn.fetchval("SELECT audit.erase_account($1, 'bob')", tenant) == 1
    async with audit.database.transaction([new_id()]) as conn:
        assert await conn.fetchval("SELECT audit.erase_account($1, 'ann')", tenant) == 0
    assert await traces(intruder, tenant, "ann") == (1, 1)
