"""The log taken away: who took what is in the log itself."""

from uuid import UUID

from shared.contracts.codec import decode
from shared.contracts.commands import OpenAuditExport
from shared.contracts.envelope import Envelope, Message
from shared.contracts.events import AuditExported
from shared.ids import new_id
from tests.handlers.audit.conftest import Audit, login


async def said(audit: Audit, tenant_id: UUID) -> list[Envelope[Message]]:
    """What was published for the tenant, oldest first."""
    async with audit.database.transaction(work_queues=True) as conn:
        rows = await conn.fetch("SELECT body FROM bus.outbox WHERE tenant_id = $1 ORDER BY message_id", tenant_id)
    return [decode(row["body"]) for row in rows]


async def test_an_export_ends_where_the_log_ends_now_and_says_who_took_what(audit: Audit) -> None:
    """The whole log at once is what a thief of a key would take; and the file must not grow while it is read."""
    tenant = new_id()
    await audit.append([login(tenant, minute=minute) for minute in range(3)])

    assert await audit.ask(tenant, OpenAuditExport(format="csv", after=1)) == {"before": 4}
    assert await audit.ask(tenant, OpenAuditExport(format="jsonl", before=2)) == {"before": 2}
    assert await audit.ask(tenant, OpenAuditExport(format="jsonl", before=900)) == {"before": 4}

    exports = [each for each in await said(audit, tenant) if isinstance(each.data, AuditExported)]
    assert [each.data for each in exports] == [
        AuditExported(format="csv", after=1, before=4),
        AuditExported(format="jsonl", after=0, before=2),
        AuditExported(format="jsonl", after=0, before=4),
    ]
    assert {(each.actor, each.account_id) for each in exports} == {("api_key:test", None)}


async def test_who_looks_at_the_head_only_takes_nothing_away(audit: Audit) -> None:
    """A HEAD carries no entry; to say otherwise would accuse somebody."""
    tenant = new_id()
    assert await audit.ask(tenant, OpenAuditExport(format="csv", is_look=True)) == {"before": 1}
    assert await said(audit, tenant) == []
