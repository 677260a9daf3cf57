"""Reading the log."""

from typing import TYPE_CHECKING

from shared.contracts import events
from shared.contracts.envelope import begin
from shared.ids import new_id
from tests.handlers.audit.conftest import AT, Audit, login

if TYPE_CHECKING:
    import asyncpg

    from shared.db.connection import Record


async def test_a_page_holds_the_events_as_they_were_said(audit: Audit) -> None:
    """A log that cannot be read back is no log."""
    tenant = new_id()
    fact = login(tenant)
    await audit.append([fact])

    [entry] = (await audit.read(tenant)).entries

    assert (entry.seq, entry.id, entry.type, entry.at) == (1, str(fact.id), "login.decided", fact.time)
    assert (entry.account_id, entry.actor) == ("agent-1", "system")
    assert entry.event is not None
    assert entry.event["data"] == {"purpose": "sign_in", "decision": "allow", "reason": "not_required"}


async def test_pages_go_both_ways_and_say_whether_there_is_more(audit: Audit) -> None:
    """Feeds read forward from where they stopped, people read backward from now."""
    tenant = new_id()
    await audit.append([login(tenant, minute=minute) for minute in range(5)])

    oldest = await audit.read(tenant, limit=2)
    following = await audit.read(tenant, limit=3, after=2)
    newest = await audit.read(tenant, limit=2, newest_first=True)
    earlier = await audit.read(tenant, limit=2, newest_first=True, before=4)

    assert ([entry.seq for entry in oldest.entries], oldest.has_more) == ([1, 2], True)
    assert ([entry.seq for entry in following.entries], following.has_more) == ([3, 4, 5], False)
    assert ([entry.seq for entry in newest.entries], newest.has_more) == ([5, 4], True)
    assert [entry.seq for entry in earlier.entries] == [3, 2]


async def test_a_timeline_is_of_one_account_and_types_can_be_chosen(audit: Audit) -> None:
    """An agent who looks at a customer's account sees nobody else's."""
    tenant = new_id()
    suspended = begin(
        events.TenantSuspended(), tenant_id=tenant, account_id=None, actor="operator:ann", source="/cli", at=AT
    )
    await audit.append([login(tenant, "one"), login(tenant, "two"), suspended, login(tenant, "one")])

    timeline = await audit.read(tenant, "one")
    unknown = await audit.read(tenant, "nobody")
    chosen = await audit.read(tenant, types=["tenant.suspended"])

    assert [(entry.seq, entry.account_id) for entry in timeline.entries] == [(1, "one"), (4, "one")]
    assert unknown.entries == ()
    assert [(entry.seq, entry.account_id, entry.actor) for entry in chosen.entries] == [(3, None, "operator:ann")]


async def test_another_tenants_log_is_empty(audit: Audit) -> None:
    """The tenant of the request decides, and nothing in it can name another."""
    await audit.append([login(new_id())])

    assert (await audit.read(new_id())).entries == ()


async def test_an_erased_account_leaves_its_entries_without_name_or_content(
    audit: Audit, intruder: "asyncpg.Connection[Record]"
) -> None:
    """Erasing a person destroys a key, not the chain."""
    tenant = new_id()
    await audit.append([login(tenant, "gone"), login(tenant, "here")])
    await intruder.execute("DELETE FROM audit.account_keys WHERE tenant_id = $1 AND account_id = 'gone'", tenant)

    erased, kept = (await audit.read(tenant)).entries

    assert (erased.account_id, erased.actor, erased.event) == (None, None, None)
    assert kept.event is not None


async def test_a_payload_moved_to_another_entry_does_not_open(
    audit: Audit, intruder: "asyncpg.Connection[Record]"
) -> None:
    """Two facts of one account, swapped in the table, must not be told as if they were true."""
    tenant = new_id()
    await audit.append([login(tenant), login(tenant), login(tenant)])
    await intruder.execute(
        """
        UPDATE audit.payloads SET sealed = (SELECT sealed FROM audit.payloads WHERE tenant_id = $1 AND seq = 1)
         WHERE tenant_id = $1 AND seq = 2
        """,
        tenant,
    )

    assert [entry.event is not None for entry in (await audit.read(tenant)).entries] == [True, False, True]
