"""All services in one process: for `deskfactor dev`, `demo` and `serve all`."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

from services.audit import app as audit
from services.audit.settings import AuditSettings
from services.gateway import app as gateway
from services.gateway.settings import GatewaySettings
from services.notifier import app as notifier
from services.notifier.settings import NotifierSettings
from services.otp_worker import app as otp_worker
from services.otp_worker.settings import OtpWorkerSettings
from services.policy import app as policy
from services.policy.settings import PolicySettings
from shared.settings import load_settings

POOL = 6  # connections a service; six of them share one server


@contextlib.asynccontextmanager
async def all_services(given: Mapping[str, object]) -> AsyncIterator[None]:
    """Start them in the order in which they need each other; ``given`` goes over the environment's settings."""
    common = {"database_pool": POOL, **given, "health_port": 0}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(audit.serve(load_settings(AuditSettings, **common)))
        await stack.enter_async_context(notifier.serve(load_settings(NotifierSettings, **common)))
        await stack.enter_async_context(policy.serve(load_settings(PolicySettings, **common)))
        await stack.enter_async_context(policy.serve_timers(load_settings(PolicySettings, **common)))
        await stack.enter_async_context(otp_worker.serve(load_settings(OtpWorkerSettings, **common)))
        await stack.enter_async_context(gateway.serve(load_settings(GatewaySettings, **common)))
        yield
