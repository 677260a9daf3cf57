"""All services in this process, over the PostgreSQL lanes unless said: for tests of what a caller of the API sees."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from services.audit import app as audit
from services.audit.settings import AuditSettings
from services.cli.simulators.mailbox import Mailbox
from services.gateway import app as gateway
from services.gateway.app import Serving
from services.gateway.settings import GatewaySettings
from services.notifier import app as notifier
from services.notifier.settings import NotifierSettings
from services.otp_worker import app as otp_worker
from services.otp_worker.settings import OtpWorkerSettings
from services.policy import app as policy
from services.policy.settings import PolicySettings
from shared.settings import load_settings


@contextlib.asynccontextmanager
async def whole(
    dsn: str,
    key_dir: Path,
    mailbox: Mailbox,
    *,
    amqp_url: str | None = None,
    gateway_settings: Mapping[str, object] | None = None,
    notifier_settings: Mapping[str, object] | None = None,
    is_audited: bool = True,
) -> AsyncIterator[Serving]:
    """The gateway with everybody behind it; mail of sandboxes goes to the mailbox, which is started and stopped.

    ``is_audited`` False: nobody remembers, which saves a test that asks for a thousand decisions half of its time.
    """
    await mailbox.start()
    common: dict[str, object] = {"database_url": dsn, "key_dir": key_dir, "database_pool": 6}
    if amqp_url is not None:
        common |= {"bus": "rabbitmq", "amqp_urls": amqp_url}
    async with AsyncExitStack() as stack:
        stack.push_async_callback(mailbox.stop)
        if is_audited:
            await stack.enter_async_context(audit.serve(load_settings(AuditSettings, **common)))
        sending = {"sandbox_smtp_port": mailbox.port, **(notifier_settings or {})}
        await stack.enter_async_context(notifier.serve(load_settings(NotifierSettings, **common, **sending)))
        await stack.enter_async_context(policy.serve(load_settings(PolicySettings, **common)))
        await stack.enter_async_context(policy.serve_timers(load_settings(PolicySettings, **common)))
        await stack.enter_async_context(otp_worker.serve(load_settings(OtpWorkerSettings, **common)))
        listening = {"port": 0, **(gateway_settings or {})}
        yield await stack.enter_async_context(gateway.serve(load_settings(GatewaySettings, **common, **listening)))
