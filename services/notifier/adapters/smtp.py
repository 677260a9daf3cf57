"""Sends mail by SMTP over a few connections that are kept open."""

import asyncio
import datetime as dt
import re
from types import TracebackType
from typing import Final, Self

import aiosmtplib

from services.notifier.adapters import mime
from services.notifier.adapters.smtp_connections import Connections, Progress, SmtpSettings
from services.notifier.adapters.smtp_outcomes import Stage, outcome_of
from services.notifier.domain.delivery import Accepted, Refused, SendOutcome, Unknown
from services.notifier.domain.message import RenderedEmail
from shared.clock import host_now
from shared.secret import Secret

__all__ = ["SmtpSender", "SmtpSettings"]

_QUEUED_AS: Final = re.compile(r"\bqueued as ([A-Za-z0-9-]{1,64})\b")


class SmtpSender:
    """One recipient a mail, at most ``settings.connections`` at once; entered and left as a context manager.

    Safe for concurrent use. Nothing is tried again here: the outcome says who may.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._connections = Connections(settings)

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
        progress = Progress()
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                return await self._exchange(recipient, content, progress)
        except TimeoutError:
            if progress.stage is Stage.DATA:
                return Unknown(reason="timeout")
            return Refused(code="timeout", is_permanent=False)

    async def close(self) -> None:
        """Say goodbye on every idle connection, each bounded by a second."""
        await self._connections.close()

    async def _exchange(self, recipient: mime.Recipient, content: bytes, progress: Progress) -> SendOutcome:
        encoding = "utf-8" if recipient.is_international else "ascii"

        async def name_the_sender(client: aiosmtplib.SMTP) -> None:
            if not recipient.is_international:
                await client.mail(self._settings.sender, encoding=encoding)
            elif client.supports_extension("smtputf8"):
                await client.mail(self._settings.sender, options=["SMTPUTF8"], encoding=encoding)

        try:
            async with self._connections.begun(name_the_sender, progress) as client:
                if recipient.is_international and not client.supports_extension("smtputf8"):
                    return Refused(code="smtputf8", is_permanent=True)
                await client.rcpt(recipient.address, encoding=encoding)
                progress.stage = Stage.DATA
                answer = await client.data(content)
        except (aiosmtplib.SMTPException, OSError) as error:
            return outcome_of(error, progress.stage)
        queued = _QUEUED_AS.search(answer.message)
        return Accepted(provider_id=queued[1] if queued else None)
