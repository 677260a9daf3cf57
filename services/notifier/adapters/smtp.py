"""Sends mail by SMTP over a few connections that are kept open."""

import asyncio
import contextlib
import datetime as dt
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import aiosmtplib

from services.notifier.adapters import mime
from services.notifier.adapters.smtp_outcomes import Stage, outcome_of
from services.notifier.domain.delivery import Accepted, Refused, SendOutcome, Unknown
from services.notifier.domain.message import RenderedEmail
from services.notifier.settings import TlsMode, is_loopback
from shared.clock import host_now
from shared.secret import Secret

_MAILS_PER_CONNECTION: Final = 50  # many servers end a session after 100
_QUIT_TIMEOUT: Final = 1.0  # seconds
_QUEUED_AS: Final = re.compile(r"\bqueued as ([A-Za-z0-9-]{1,64})\b")


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

    def __post_init__(self) -> None:
        """Raises `ValueError` for a password that would travel readable."""
        if self.username is not None and self.tls is TlsMode.NONE and not is_loopback(self.host):
            raise ValueError("an SMTP login needs TLS")

    @property
    def domain(self) -> str:
        """The sender's domain: in Message-IDs and in EHLO."""
        return self.sender.rpartition("@")[2]


@dataclass(slots=True, kw_only=True)
class _Connection:
    client: aiosmtplib.SMTP
    mails: int = 0


@dataclass(slots=True)
class _Progress:
    stage: Stage = Stage.CONNECTING


class SmtpSender:
    """One recipient a mail, at most ``settings.connections`` at once; entered and left as a context manager.

    Safe for concurrent use. Nothing is tried again here: the outcome says who may.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.connections)
        self._idle: list[_Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def send(
        self,
        message: RenderedEmail,
        *,
        to: Secret[str],
        message_id: str,
        deadline: dt.timedelta,
        sender_name: str | None = None,
    ) -> SendOutcome:
        """Hand one mail over within ``deadline``, waiting for a free connection included.

        `message_id` is the delivery's id: a second send after `Unknown` bears the same Message-ID, so that a mailbox
        can show it once. `sender_name` stands in From instead of the settings' name.
        """
        recipient = mime.recipient(to)
        if recipient is None:
            return Refused(code="address", is_permanent=True)
        content = mime.build(
            message,
            to=recipient,
            sender=self._settings.sender,
            sender_name=self._settings.sender_name if sender_name is None else sender_name,
            message_id=f"{message_id}@{self._settings.domain}",
            at=host_now(),
        )
        progress = _Progress()
        try:
            async with asyncio.timeout(deadline.total_seconds()), self._slots:
                return await self._exchange(recipient, content, progress)
        except TimeoutError:
            if progress.stage is Stage.DATA:
                return Unknown(reason="timeout")
            return Refused(code="timeout", is_permanent=False)

    async def close(self) -> None:
        """Say goodbye on every idle connection, each bounded by a second."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_quit(each.client) for each in idle))

    async def _exchange(self, recipient: mime.Recipient, content: bytes, progress: _Progress) -> SendOutcome:
        try:
            async with self._connection() as client:
                progress.stage = Stage.ENVELOPE
                options = []
                if recipient.is_international:
                    if not client.supports_extension("smtputf8"):
                        return Refused(code="smtputf8", is_permanent=True)
                    options = ["SMTPUTF8"]
                encoding = "utf-8" if recipient.is_international else "ascii"
                await client.mail(self._settings.sender, options=options, encoding=encoding)
                await client.rcpt(recipient.address, encoding=encoding)
                progress.stage = Stage.DATA
                answer = await client.data(content)
        except (aiosmtplib.SMTPException, OSError) as error:
            return outcome_of(error, progress.stage)
        queued = _QUEUED_AS.search(answer.message)
        return Accepted(provider_id=queued[1] if queued else None)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection with nothing begun on it; kept when the server's last word was an answer, closed otherwise.

        A cancelled exchange has an answer still to come, which the next mail would take for its own.
        """
        connection = await self._kept() or await self._opened()
        connection.mails += 1
        is_in_step = False
        try:
            yield connection.client
            is_in_step = True
        except aiosmtplib.SMTPResponseException:
            is_in_step = True
            raise
        finally:
            if is_in_step and connection.client.is_connected and connection.mails < _MAILS_PER_CONNECTION:
                self._idle.append(connection)
            else:
                connection.client.close()

    async def _kept(self) -> _Connection | None:
        """An idle connection that still answers.

        RSET asks whether it lives and ends what a refused mail left open, in one.
        """
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.client.rset()
            except (aiosmtplib.SMTPException, OSError):
                connection.client.close()
            except asyncio.CancelledError:
                connection.client.close()
                raise
            else:
                return connection
        return None

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


async def _quit(client: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=_QUIT_TIMEOUT)
    client.close()
