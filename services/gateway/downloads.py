"""Files sent piece by piece: whatever their size, one piece is held in memory.

An answer of the bus holds a piece, so a file is as many questions as it has pieces. When one stays unanswered, the
connection is cut short of its Content-Length: half a list must not look like a whole one.
"""

import asyncio
import datetime as dt
import functools
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from aiohttp import web

from services.gateway.replies import Asker
from shared.clock import host_now
from shared.contracts.commands import OpenReport, ReadReportChunk, Request
from shared.contracts.envelope import Envelope, begin
from shared.contracts.replies import OpenedReport, Refusal, ReportChunk
from shared.contracts.types import ReportId, Sealed
from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import open_bytes, report_chunk_place
from shared.messaging.bus import NoReply, Unavailable

log = structlog.get_logger()

CSV = "text/csv"
_LARGEST_PIECE = 16 * 1024 * 1024  # bytes
_TRIES = 6  # of a piece: a service that restarts is back within some seconds
_PAUSE = 1.0  # seconds between them


class Incomplete(Exception):
    """The rest of a file cannot be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """A file on its way out. `size_bytes` None: nobody knows it before the end."""

    file_name: str
    size_bytes: int | None
    pieces: AsyncIterator[bytes]
    content_type: str = CSV

    def response(self) -> web.Response:
        """As HTTP: an attachment, its size said in advance where it is known.

        Where it is not, the last chunk (RFC 9112, 7.1) is what shows that nothing is missing.
        """
        headers = {
            "Content-Type": f"{self.content_type}; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{self.file_name}"',
        }
        if self.size_bytes is not None:
            headers["Content-Length"] = str(self.size_bytes)
        return web.Response(body=self.pieces, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which report, and who asks for it in whose name."""

    tenant_id: UUID
    report_id: ReportId
    actor: str
    token: Sealed | None = None  # of the mailed link
    is_look: bool = False  # for the head of the answer only


class Downloads:
    """Reports as files."""

    def __init__(self, asker: Asker, contents: KeyRing) -> None:
        """``contents``: the ring ``seal.policy``."""
        self._asker = asker
        self.contents = contents

    async def open(self, wanted: Wanted, until: dt.datetime) -> Streamed | Refusal:
        """The file, or why not. Raises `NoReply` and `Unavailable` as `Asker.ask`."""
        command = OpenReport(report_id=wanted.report_id, token=wanted.token, is_look=wanted.is_look)
        answer = await self._asker.ask(_envelope(wanted, command), until=until)
        if answer.refusal is not None:
            return answer.refusal
        opened = OpenedReport.model_validate(answer.data)
        pieces = self._pieces(wanted, opened.chunks)
        return Streamed(file_name=opened.file_name, size_bytes=opened.size_bytes, pieces=pieces)

    async def _pieces(self, wanted: Wanted, count: int) -> AsyncIterator[bytes]:
        for number in range(count):
            command = ReadReportChunk(report_id=wanted.report_id, number=number)
            data = await next_piece(self._asker, functools.partial(_envelope, wanted, command))
            sealed = ReportChunk.model_validate(data).sealed
            place = report_chunk_place(wanted.tenant_id, wanted.report_id, number)
            yield zlib.decompressobj().decompress(open_bytes(self.contents, sealed, place), _LARGEST_PIECE)


async def next_piece(asker: Asker, question: Callable[[], Envelope[Request]]) -> dict[str, object]:
    """The answer to a question in the middle of a file, asked again for some seconds. Raises `Incomplete`."""
    for tries_left in reversed(range(_TRIES)):
        try:
            answer = await asker.ask(question())
        except (NoReply, Unavailable) as error:
            if not tries_left:
                log.warning("download_cut", reason=type(error).__name__)
                raise Incomplete(type(error).__name__) from error
            await asyncio.sleep(_PAUSE)
            continue
        if answer.refusal is not None:
            log.warning("download_cut", reason=answer.refusal.code.value)
            raise Incomplete(answer.refusal.code.value)
        return answer.data or {}
    raise AssertionError


def _envelope(wanted: Wanted, command: Request) -> Envelope[Request]:
    return begin(
        command,
        tenant_id=wanted.tenant_id,
        account_id=None,
        actor=wanted.actor,
        source="/gateway",
        at=host_now(),
    )
