"""A client that costs less than what it measures: HTTP/1.1 on kept connections, one request on each at a time."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Broken(Exception):
    """The server closed the connection, or said what is no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class WrongAnswer(Exception):
    """An answer was not what it must be: the figures are worth nothing."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.body[:300]!r}")


class Connection(asyncio.Protocol):
    """One kept connection."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._waiting: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, url: str) -> "Connection":
        """Connect to the host of ``url``."""
        where = urlsplit(url)
        _, protocol = await asyncio.get_running_loop().create_connection(
            cls, where.hostname or "127.0.0.1", where.port or 80
        )
        return protocol

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()

    async def send(self, request: bytes) -> Answer:
        """One request; its answer. Raises `Broken`."""
        if self._transport is None or self._transport.is_closing():
            raise Broken
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Broken())

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._received += data
        end = self._received.find(_END_OF_HEAD)
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        whole = end + len(_END_OF_HEAD) + length
        if len(self._received) < whole or self._waiting is None or self._waiting.done():
            return
        answer = Answer(int(head[9:12]), bytes(self._received[end + len(_END_OF_HEAD) : whole]))
        del self._received[:whole]
        self._waiting.set_result(answer)


def post(path: str, *, key: str, idempotency_key: str, body: bytes) -> bytes:
    """A POST as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nIdempotency-Key: {idempotency_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
