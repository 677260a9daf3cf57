"""The audit log, and the feed of events that is read from it."""

from services.gateway.api.bodies import AuditExportQuery, AuditQuery, FeedQuery
from services.gateway.api.call import Call, Nothing, Outcome, Said
from services.gateway.api.cursors import page
from services.gateway.api.entries import before, entries_of
from services.gateway.downloads import CSV, Streamed
from services.gateway.exports import FORMATS, JSON_LINES, Extract, pages_of
from services.gateway.problems import Problem
from shared.contracts.commands import OpenAuditExport, ReadEntries, ReadProof
from shared.contracts.replies import OpenedAuditExport


async def search(call: Call[Nothing, AuditQuery]) -> Outcome:
    """Entries as they were appended, newest first."""
    position = before(call.query.cursor)
    if isinstance(position, Problem):
        return position
    types = tuple(call.query.types.split(",")) if call.query.types else ()
    said = await call.ask(
        ReadEntries(before=position, limit=call.query.limit, newest_first=True, types=types),
        account_id=call.query.account_id,
    )
    if isinstance(said, Problem):
        return said
    entries, has_more = entries_of(said)
    last = entries[-1].seq if entries else None
    data = [entry.model_dump(mode="json") for entry in entries]
    return Said(page(data, has_more=has_more and last is not None, last=last))


async def proof(call: Call[Nothing, Nothing]) -> Outcome:
    """Signed heads of the tenant's chain and the public keys that they were signed with. Whoever keeps a head can prove
    later that nothing before it was changed or cut off; with an export, without asking us.
    """
    return await call.ask(ReadProof())


async def export(call: Call[Nothing, AuditExportQuery]) -> Outcome | Streamed:
    """The log as a file: CSV (RFC 4180) or JSON lines, each entry with what its hash is made of. That it was taken
    leaves an entry of its own, after those of the file.
    """
    query = call.query
    wished = OpenAuditExport(format=query.format, after=query.after, before=query.before, is_look=call.is_head)
    said = await call.ask(wished)
    if isinstance(said, Problem):
        return said
    before_seq = OpenedAuditExport.model_validate(dict(said.data)).before
    wanted = Extract(tenant_id=call.tenant_id, actor=call.caller.actor, after=query.after, before=before_seq)
    return Streamed(
        file_name=f"audit-{query.after + 1}-{before_seq - 1}.{query.format}",
        size_bytes=None,
        pieces=FORMATS[query.format](pages_of(call.deps.asker, wanted)),
        content_type=CSV if query.format == "csv" else JSON_LINES,
    )


async def feed(call: Call[Nothing, FeedQuery]) -> Outcome:
    """Events in the order of the audit chain. What was erased since is left out; its number is not."""
    said = await call.ask(ReadEntries(after=call.query.after, limit=call.query.limit))
    if isinstance(said, Problem):
        return said
    entries, has_more = entries_of(said)
    return Said(
        {
            "data": [{**entry.event, "sequence": str(entry.seq)} for entry in entries if entry.event is not None],
            "next_after": entries[-1].seq if entries else call.query.after,
            "has_more": has_more,
        }
    )
