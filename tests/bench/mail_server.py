"""A mail server that costs less than who sends: it takes every mail at once and tells who waits for its code."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

_CODE = re.compile(rb"^Subject: (\d{6,10}) ", re.MULTILINE)
_RECIPIENT = re.compile(rb"^RCPT TO:<([^>]+)>", re.IGNORECASE)
_END = b"\r\n.\r\n"


class MailServer:
    """Codes by recipient. RFC 5321 as far as a client that knows what it wants needs it."""

    def __init__(self) -> None:
        self.port = 0
        self.mails = 0
        self._codes: dict[str, asyncio.Future[str]] = {}

    async def code_for(self, address: str) -> str:
        """The code in the next mail to this address; it may have come already."""
        try:
            return await self._code(address)
        finally:
            del self._codes[address]

    def take(self, address: bytes, mail: bytes) -> None:
        """A mail is in our hands."""
        self.mails += 1
        found = _CODE.search(mail)
        code = self._code(address.decode())
        if found is not None and not code.done():
            code.set_result(found[1].decode())

    def _code(self, address: str) -> asyncio.Future[str]:
        if address not in self._codes:
            self._codes[address] = asyncio.get_running_loop().create_future()
        return self._codes[address]


class _Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._recipient: bytes | None = None
        self._is_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = transport  # type: ignore[assignment] # uvloop's is none by inheritance
        self._say(b"220 bench")

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._received += data
        while (end := self._received.find(_END if self._is_data else b"\r\n")) >= 0:
            part = bytes(self._received[:end])
            del self._received[: end + len(_END if self._is_data else b"\r\n")]
            if self._is_data:
                self._is_data = False
                self._server.take(self._recipient or b"", part)
                self._say(b"250 2.0.0 ok")
            else:
                self._hear(part)

    def _hear(self, line: bytes) -> None:
        match line[:4].upper():
            case b"EHLO":
                self._say(b"250-bench\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8")
            case b"DATA":
                self._is_data = True
                self._say(b"354 go on")
            case b"QUIT":
                self._say(b"221 bye")
                if self._transport is not None:
                    self._transport.close()
            case b"RCPT":
                found = _RECIPIENT.match(line)
                self._recipient = found[1] if found else None
                self._say(b"250 ok" if found else b"501 whom?")
            case _:
                self._say(b"250 ok")

    def _say(self, line: bytes) -> None:
        if self._transport is not None:
            self._transport.write(line + b"\r\n")


@contextlib.asynccontextmanager
async def open_mail_server() -> AsyncIterator[MailServer]:
    """Listening on loopback until the block ends."""
    mail = MailServer()
    listening = await asyncio.get_running_loop().create_server(lambda: _Session(mail), "127.0.0.1", 0)
    mail.port = listening.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        listening.close()
