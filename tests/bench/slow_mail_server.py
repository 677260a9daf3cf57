"""A mail server that costs less than what it measures, and takes as long for a mail as it is told to (RFC 5321)."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

_END_OF_MAIL = b"\r\n.\r\n"
_CODE = re.compile(rb"^Subject:[^\r\n]*?\b(\d{6})\b", re.MULTILINE)
_RECIPIENT = re.compile(rb"<([^>]*)>")
_PATIENCE = 60.0  # seconds for a mail


class NoCode(Exception):
    """A mail came without one."""


@dataclass(slots=True)
class MailServer:
    """On a free port of 127.0.0.1. `seconds_a_mail`: from the last line of a mail to the answer that it was taken."""

    seconds_a_mail: float = 0.0
    port: int = 0
    mails: int = 0
    _waiting: "dict[str, asyncio.Future[str]]" = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["MailServer"]:
        """Listen until the block ends."""
        server = await asyncio.get_running_loop().create_server(lambda: _Session(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    def expect(self, address: str) -> "asyncio.Future[str]":
        """The code of the next mail to ``address``. Ask before the mail is caused; `code_of` awaits it."""
        waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[address] = waiting
        return waiting

    async def code_of(self, waiting: "asyncio.Future[str]") -> str:
        """The code, once the mail is here. Raises `TimeoutError` after a minute, `NoCode`."""
        async with asyncio.timeout(_PATIENCE):
            return await waiting

    def take(self, address: str, mail: bytes) -> None:
        """A mail was accepted."""
        self.mails += 1
        waiting = self._waiting.pop(address, None)
        if waiting is None or waiting.done():
            return
        found = _CODE.search(mail)
        if found is None:
            waiting.set_exception(NoCode())
        else:
            waiting.set_result(found[1].decode())


class _Session(asyncio.Protocol):
    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._received = bytearray()
        self._address = ""
        self._is_in_mail = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._say(b"220 bench")

    def data_received(self, data: bytes) -> None:
        """Commands line by line, a mail as a whole."""
        self._received += data
        while (end := self._received.find(_END_OF_MAIL if self._is_in_mail else b"\r\n")) >= 0:
            text = bytes(self._received[:end])
            del self._received[: end + (len(_END_OF_MAIL) if self._is_in_mail else 2)]
            if self._is_in_mail:
                self._is_in_mail = False
                self._take_later(text)
            else:
                self._answer(text)

    def _answer(self, line: bytes) -> None:
        match line[:4].upper():
            case b"RCPT":
                found = _RECIPIENT.search(line)
                self._address = found[1].decode() if found else ""
                self._say(b"250 ok")
            case b"DATA":
                self._is_in_mail = True
                self._say(b"354 go on")
            case b"QUIT":
                self._say(b"221 bye")
                if self._transport is not None:
                    self._transport.close()
            case _:
                self._say(b"250 ok")

    def _take_later(self, mail: bytes) -> None:
        delay = self._server.seconds_a_mail
        if delay:
            asyncio.get_running_loop().call_later(delay, self._take, self._address, mail)
        else:
            self._take(self._address, mail)

    def _take(self, address: str, mail: bytes) -> None:
        self._server.take(address, mail)
        self._say(b"250 ok: queued as 1")

    def _say(self, line: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(line + b"\r\n")
