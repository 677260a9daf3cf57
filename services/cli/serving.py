"""`deskfactor serve`: one service, or all of them, in this process until a signal."""
# ruff: noqa: PLC0415 - a process loads the service that it is, and no other

import enum
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
        configure_logging(operator_settings().log_level, service=service, keeps_loggers=True)
        run_until_signal(_all)
        return
    open_service, kind = _room(service)
    settings = load_settings(kind)
    configure_logging(settings.log_level, service=service, keeps_loggers=True)
    run_until_signal(lambda: open_service(settings))


def _all() -> AbstractAsyncContextManager[None]:
    from services.cli.together import all_services

    return all_services({})


def _room(service: Service) -> tuple[Serve, type[Settings]]:
    """How a service is opened, and its settings."""
    match service:
        case Service.GATEWAY:
            from services.gateway import app as gateway
            from services.gateway.settings import GatewaySettings

            return gateway.serve, GatewaySettings
        case Service.OTP_WORKER:
            from services.otp_worker import app as otp_worker
            from services.otp_worker.settings import OtpWorkerSettings

            return otp_worker.serve, OtpWorkerSettings
        case Service.POLICY | Service.TIMERS:
            from services.policy import app as policy
            from services.policy.settings import PolicySettings

            return policy.serve if service is Service.POLICY else policy.serve_timers, PolicySettings
        case Service.NOTIFIER:
            from services.notifier import app as notifier
            from services.notifier.settings import NotifierSettings

            return notifier.serve, NotifierSettings
        case Service.AUDIT:
            from services.audit import app as audit
            from services.audit.settings import AuditSettings

            return audit.serve, AuditSettings
        case Service.ALL:
            raise ValueError("all services have no one room")
