"""Connections to a mail server: a bounded number, kept between mails, given up when idle, replaced when they end."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final

import aiosmtplib

from services.notifier.adapters.smtp_outcomes import Stage
from services.notifier.settings import TlsMode, is_loopback
from shared.secret import Secret

_MAILS_PER_CONNECTION: Final = 50  # many servers end a session after 100
_QUIT_TIMEOUT: Final = 1.0  # seconds
_CLOSING: Final = 421  # "service not available, closing transmission channel" (RFC 5321, 4.2.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """Where mail is handed in. `timeout` bounds each answer; `ca_file` adds authorities to the system's."""

    host: str
    port: int
    sender: str
    sender_name: str = ""
    tls: TlsMode = TlsMode.STARTTLS
    username: str | None = None
    password: Secret[str] | None = None
    ca_file: str | None = None
    timeout: dt.timedelta = dt.timedelta(seconds=10)
    connections: int = 4
    idle: dt.timedelta = dt.timedelta(seconds=30)  # then a kept connection is given up, before the server does it

    def __post_init__(self) -> None:
        """Raises `ValueError` for a password that would travel readable."""
        if self.username is not None and self.tls is TlsMode.NONE and not is_loopback(self.host):
            raise ValueError("an SMTP login needs TLS")

    @property
    def domain(self) -> str:
        """The sender's domain: in Message-IDs and in EHLO."""
        return self.sender.rpartition("@")[2]


@dataclass(slots=True)
class Progress:
    """How far the exchange of one mail has come."""

    stage: Stage = Stage.CONNECTING


@dataclass(slots=True, kw_only=True, eq=False)
class _Connection:
    client: aiosmtplib.SMTP
    mails: int = 0
    is_clean: bool = True  # nothing was begun that a RSET must end
    retirement: asyncio.TimerHandle | None = None


Begin = Callable[[aiosmtplib.SMTP], Awaitable[None]]


class Connections:
    """At most ``settings.connections`` at once; safe for concurrent use."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._places = asyncio.Semaphore(settings.connections)
        self._idle: list[_Connection] = []
        self._farewells: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def begun(self, begin: Begin, progress: Progress) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection on which ``begin``, the first command of a mail, was answered; waits for a free one.

        Kept when the server's last word was an answer, closed otherwise: a cancelled exchange has an answer still to
        come, which the next mail would take for its own.
        """
        async with self._places:
            connection = await self._begin_on_kept(begin, progress) or await self._begin_on_new(begin, progress)
            connection.mails += 1
            with self._watched(connection):
                yield connection.client
            self._keep(connection)

    async def close(self) -> None:
        """Say goodbye on every idle connection, each bounded by a second."""
        while self._idle:
            self._dismiss(self._idle.pop())
        await asyncio.gather(*self._farewells)

    async def _begin_on_kept(self, begin: Begin, progress: Progress) -> _Connection | None:
        """A kept connection may be over by now, or the server tell it to go. Nothing is lost with it: not a word was
        said yet of this mail, and the next one begins. Asking first whether it lives would be a round trip a mail.
        """
        while self._idle:
            connection = self._idle.pop()
            if connection.retirement is not None:
                connection.retirement.cancel()
            progress.stage = Stage.ENVELOPE
            try:
                with self._watched(connection):
                    if not connection.is_clean:
                        await connection.client.rset()
                        connection.is_clean = True
                    await begin(connection.client)
            except aiosmtplib.SMTPResponseException as error:
                if error.code != _CLOSING:
                    raise
            except (aiosmtplib.SMTPException, OSError):
                pass
            else:
                return connection
        return None

    async def _begin_on_new(self, begin: Begin, progress: Progress) -> _Connection:
        progress.stage = Stage.CONNECTING
        connection = await self._opened()
        progress.stage = Stage.ENVELOPE
        with self._watched(connection):
            await begin(connection.client)
        return connection

    async def _opened(self) -> _Connection:
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.username,
            password=settings.password.reveal() if settings.password is not None else None,
            local_hostname=settings.domain,
            timeout=settings.timeout.total_seconds(),
            use_tls=settings.tls is TlsMode.TLS,
            start_tls=settings.tls is TlsMode.STARTTLS,
            cert_bundle=settings.ca_file,
        )
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except BaseException:
            client.close()
            raise
        return _Connection(client=client)

    @contextlib.contextmanager
    def _watched(self, connection: _Connection) -> Iterator[None]:
        """Whatever ends a step, the connection is left to nobody: after an answer it is kept, else closed."""
        try:
            yield
        except aiosmtplib.SMTPResponseException as error:
            connection.is_clean = False
            if error.code == _CLOSING:
                connection.client.close()
            else:
                self._keep(connection)
            raise
        except BaseException:
            connection.client.close()
            raise

    def _keep(self, connection: _Connection) -> None:
        if not connection.client.is_connected:
            connection.client.close()
        elif connection.mails >= _MAILS_PER_CONNECTION:
            self._dismiss(connection)
        else:
            idle = self._settings.idle.total_seconds()
            connection.retirement = asyncio.get_running_loop().call_later(idle, self._retire, connection)
            self._idle.append(connection)

    def _retire(self, connection: _Connection) -> None:
        self._idle.remove(connection)
        self._dismiss(connection)

    def _dismiss(self, connection: _Connection) -> None:
        if connection.retirement is not None:
            connection.retirement.cancel()
        farewell = asyncio.create_task(_quit(connection.client))
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)


async def _quit(client: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=_QUIT_TIMEOUT)
    client.close()
