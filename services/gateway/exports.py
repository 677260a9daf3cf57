"""The audit log as a file, read page by page: whatever its length, one page is held in memory."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from services.gateway.downloads import next_piece
from services.gateway.replies import Asker
from shared.clock import host_now
from shared.contracts.commands import ReadEntries, Request
from shared.contracts.envelope import Envelope, begin
from shared.contracts.replies import EntriesAnswer, Entry
from shared.rules.csv_text import line

JSON_LINES = "application/jsonl"
PAGE = 100  # entries

_FIELDS = ("seq", "id", "type", "at", "account_id", "actor", "pseudonym", "payload_digest", "previous_hash", "hash")

Pages = AsyncIterator[tuple[Entry, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """Entries between two sequence numbers, both exclusive, of one account where it is named; for whom."""

    tenant_id: UUID
    actor: str
    after: int
    before: int | None
    account_id: str | None = None


async def pages_of(asker: Asker, wanted: Extract) -> Pages:
    """The entries, oldest first. Raises `Incomplete`: what was sent so far must not look like all of it."""
    after, has_more = wanted.after, True
    while has_more:
        command = ReadEntries(after=after, before=wanted.before, limit=PAGE, with_proof=True)
        data = await next_piece(asker, question(wanted, command))
        answer = EntriesAnswer.model_validate(data)
        if answer.entries:
            yield answer.entries
            after = answer.entries[-1].seq
        has_more = answer.has_more and bool(answer.entries)


def question(wanted: Extract, command: Request) -> Callable[[], Envelope[Request]]:
    """A question in the middle of a file, in the name of who asked for the file; each time a new message."""
    return lambda: begin(
        command,
        tenant_id=wanted.tenant_id,
        account_id=wanted.account_id,
        actor=wanted.actor,
        source="/gateway",
        at=host_now(),
    )


async def _json_lines(pages: Pages) -> AsyncIterator[bytes]:
    async for page in pages:
        yield "".join(json.dumps(entry.model_dump(mode="json"), ensure_ascii=False) + "\n" for entry in page).encode()


async def _csv(pages: Pages) -> AsyncIterator[bytes]:
    yield line((*_FIELDS, "data")).encode()
    async for page in pages:
        yield "".join(map(_line, page)).encode()


def _line(entry: Entry) -> str:
    fields = entry.model_dump(mode="json")
    data = json.dumps(entry.event["data"], ensure_ascii=False) if entry.event is not None else None
    return line("" if value is None else str(value) for value in (*(fields[name] for name in _FIELDS), data))


FORMATS: Mapping[str, Callable[[Pages], AsyncIterator[bytes]]] = MappingProxyType({"csv": _csv, "jsonl": _json_lines})
