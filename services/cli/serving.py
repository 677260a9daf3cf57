"""`deskfactor serve`: one service, or all of them, in this process until a signal."""
# ruff: noqa: PLC0415 - a process loads the service that it is, and no other

import enum
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from services.cli.settings import operator_settings
from shared.observability.logging import configure_logging
from shared.process import Serve, run_until_signal
from shared.settings import Settings, load_settings


class Service(enum.StrEnum):
    """What can be served."""

    ALL = "all"
    GATEWAY = "gateway"
    OTP_WORKER = "otp_worker"
    POLICY = "policy"
    TIMERS = "timers"
    NOTIFIER = "notifier"
    AUDIT = "audit"


def serve(service: Service) -> None:
    """Run until SIGTERM or SIGINT. Raises `ConfigurationError`, `KeyRingError`."""
    if service is Service.ALL:
        configure_logging(operator_settings().log_level, service=service)
        run_until_signal(_all)
        return
    open_service, kind = _room(service)
    settings = load_settings(kind)
    configure_logging(settings.log_level, service=service)
    run_until_signal(lambda: open_service(settings))


def _all() -> AbstractAsyncContextManager[None]:
    from services.cli.together import all_services

    return all_services({})
