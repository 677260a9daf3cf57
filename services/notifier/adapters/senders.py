"""Which provider a delivery goes to: the real ones for live tenants, nobody or a simulator for sandboxes."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.notifier.adapters.smtp import SmtpSender, SmtpSettings
from services.notifier.adapters.twilio_sms import TwilioSender, TwilioSettings
from services.notifier.domain.delivery import Accepted, Misconfigured, SendOutcome
from services.notifier.domain.message import RenderedEmail
from services.notifier.settings import NotifierSettings, TlsMode
from shared.secret import Secret

SMTP_DEADLINE: Final = dt.timedelta(seconds=60)  # RFC 5321, 4.5.3.2 allows more; a lease of 120 s does not
SANDBOX_SID: Final = "AC" + "0" * 32
SANDBOX_TOKEN: Final = "sandbox-not-secret"  # noqa: S105 - signs the simulator's receipts; means nothing to anybody else
SANDBOX_SENDER: Final = "+15005550006"


@dataclass(frozen=True, slots=True, kw_only=True)
class Senders:
    """The senders of one world, live or sandbox. None: not set up; in a sandbox, the message is only kept."""

    email: SmtpSender | None
    sms: TwilioSender | None
    sms_sender: str
    sms_token: Secret[str] | None
    is_sandbox: bool

    async def send_email(
        self, message: RenderedEmail, *, to: Secret[str], delivery_id: UUID, sender_name: str
    ) -> SendOutcome:
        """Hand a mail over."""
        if self.email is None:
            return self._nobody()
        return await self.email.send(
            message, to=to, message_id=str(delivery_id), deadline=SMTP_DEADLINE, sender_name=sender_name
        )

    async def send_sms(
        self, text: str, *, to: Secret[str], callback: str, sender: str | None, validity: dt.timedelta | None
    ) -> SendOutcome:
        """Hand a text over."""
        if self.sms is None:
            return self._nobody()
        return await self.sms.send(
            text, to=to, sender=sender or self.sms_sender, status_callback=callback, validity=validity
        )

    def _nobody(self) -> SendOutcome:
        return Accepted(provider_id=None) if self.is_sandbox else Misconfigured(reason="no_provider")


@contextlib.asynccontextmanager
async def open_live(settings: NotifierSettings) -> AsyncIterator[Senders]:
    """The real providers."""
    async with AsyncExitStack() as stack:
        email = sms = token = None
        if settings.smtp_host is not None:
            password = settings.smtp_password
            email = await stack.enter_async_context(
                SmtpSender(
                    SmtpSettings(
                        host=settings.smtp_host,
                        port=settings.smtp_port,
                        sender=settings.smtp_sender,
                        tls=settings.smtp_tls,
                        username=settings.smtp_username,
                        password=Secret(password.get_secret_value()) if password else None,
                        ca_file=settings.smtp_ca_file,
                        connections=settings.smtp_connections,
                    )
                )
            )
        if settings.twilio_account_sid is not None and settings.twilio_auth_token is not None:
            token = Secret(settings.twilio_auth_token.get_secret_value())
            sms = await stack.enter_async_context(
                TwilioSender(
                    TwilioSettings(
                        account_sid=settings.twilio_account_sid, auth_token=token, base_url=settings.twilio_url
                    )
                )
            )
        yield Senders(email=email, sms=sms, sms_sender=settings.twilio_sender or "", sms_token=token, is_sandbox=False)


@contextlib.asynccontextmanager
async def open_sandbox(settings: NotifierSettings) -> AsyncIterator[Senders]:
    """Simulators on this machine where there are any; else nobody."""
    async with AsyncExitStack() as stack:
        email = sms = None
        token: Secret[str] = Secret(SANDBOX_TOKEN)
        if settings.sandbox_smtp_port is not None:
            email = await stack.enter_async_context(
                SmtpSender(
                    SmtpSettings(
                        host="127.0.0.1",
                        port=settings.sandbox_smtp_port,
                        sender=settings.smtp_sender,
                        tls=TlsMode.NONE,
                    )
                )
            )
        if settings.sandbox_twilio_url is not None:
            sms = await stack.enter_async_context(
                TwilioSender(
                    TwilioSettings(account_sid=SANDBOX_SID, auth_token=token, base_url=settings.sandbox_twilio_url)
                )
            )
        yield Senders(email=email, sms=sms, sms_sender=SANDBOX_SENDER, sms_token=token, is_sandbox=True)
