"""What a command's exceptions mean to whoever typed it."""

import errno
from dataclasses import dataclass

from services.cli.benchmark import NoBenchmark, NoSuchCase
from services.cli.broker_access import QueueNotMade
from services.cli.commands.output import Status
from services.cli.embedded.postgres import NoPostgres, ServerFailed, StateInUse
from services.cli.moving.exporting import NotExported
from services.cli.moving.lines import UnreadableFile
from services.cli.moving.questions import ServicesDown
from services.cli.rabbitmq_management import ManagementRefused
from services.cli.tenants import NoSuchTenant
from services.cli.verification import BadHead
from shared.crypto.keyring import KeyRingError
from shared.db.connection import StoreUnavailable
from shared.db.migrate import MigrationError
from shared.db.role_passwords import UnusablePassword
from shared.settings import ConfigurationError

_DRIVER = "asyncpg."


@dataclass(frozen=True, slots=True)
class Failure:
    """A sentence and an exit status."""

    text: str
    status: Status


def failure_of(error: Exception) -> Failure | None:
    """None: a fault of ours, whose traceback is wanted."""
    match error:
        case (
            ConfigurationError()
            | KeyRingError()
            | UnusablePassword()
            | BadHead()
            | NoSuchTenant()
            | UnreadableFile()
            | NotExported()
            | NoBenchmark()
            | NoSuchCase()
        ):
            return Failure(str(error), Status.USAGE)
        case ServicesDown():
            return Failure(f"The services do not answer ({error}). Run it again to go on.", Status.UNAVAILABLE)
        case ManagementRefused() | QueueNotMade():
            return Failure(str(error), Status.UNAVAILABLE)
        case MigrationError() | NoPostgres() | ServerFailed() | StateInUse():
            return Failure(str(error), Status.UNAVAILABLE)
        case StoreUnavailable():
            return Failure(f"The database does not answer: {error}", Status.UNAVAILABLE)
        case ConnectionError() | TimeoutError():
            return Failure(f"A server does not answer: {type(error).__name__}", Status.UNAVAILABLE)
        case PermissionError() | FileNotFoundError():
            return Failure(f"{error.filename}: {error.strerror}", Status.USAGE)
        case OSError(errno=errno.EADDRINUSE):
            return Failure("The port is taken; name another.", Status.USAGE)
        case _ if type(error).__module__.startswith(_DRIVER):
            text = f"The database refuses: {type(error).__name__}. Is it up to date (`deskfactor migrate`)?"
            return Failure(text, Status.UNAVAILABLE)
        case _:
            return None
