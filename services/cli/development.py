"""The embedded shape: a private PostgreSQL, its lanes, all services and both simulators in one process, on loopback."""

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.cli.embedded.place import free_ports
from services.cli.embedded.postgres import Postgres
from services.cli.simulators.mailbox import Mailbox
from services.cli.simulators.twilio import TwilioSimulator
from services.cli.together import all_services
from services.notifier.adapters.senders import SANDBOX_SID, SANDBOX_TOKEN
from shared.crypto.keyring import create_rings
from shared.db.migrate import migrate
from shared.secret import Secret

PREFERRED_PORT: Final = 8080
NOT_FOR_PRODUCTION: Final = "NOT-FOR-PRODUCTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Development:
    """What runs, and where it is reached."""

    url: str
    dsn: str
    key_dir: Path
    mailbox: Mailbox
    phones: TwilioSimulator


@contextlib.contextmanager
def private_database(state: Path, *, is_kept: bool) -> Iterator[str]:
    """A PostgreSQL of our own for the length of the block; its DSN. Blocks: used before the loop starts."""
    with Postgres(state / "postgres", durable=is_kept) as postgres:
        yield postgres.dsn()


@contextlib.asynccontextmanager
async def development(dsn: str, state: Path, *, port: int | None = None) -> AsyncIterator[Development]:
    """Everything but the database, on ``port``, else on 8080 or, where that is taken, on a free one."""
    key_dir = development_keys(state / "keys")
    await migrate(dsn)
    port = port or _free_port()
    url = f"http://127.0.0.1:{port}"
    token: Secret[str] = Secret(SANDBOX_TOKEN)
    async with Mailbox() as mailbox, TwilioSimulator(account_sid=SANDBOX_SID, auth_token=token) as phones:
        given = {
            "env": "development",
            "database_url": dsn,
            "bus": "postgres",
            "key_dir": key_dir,
            "log_level": "error",
            "host": "127.0.0.1",
            "port": port,
            "public_url": url,
            "sandbox_smtp_port": mailbox.port,
            "sandbox_twilio_url": phones.base_url,
        }
        async with all_services(given):
            yield Development(url=url, dsn=dsn, key_dir=key_dir, mailbox=mailbox, phones=phones)


def development_keys(folder: Path) -> Path:
    """Key rings that refuse to be used in production; made at the first start."""
    create_rings(folder)
    (folder / NOT_FOR_PRODUCTION).touch()
    return folder


def _free_port() -> int:
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", PREFERRED_PORT)):
        return PREFERRED_PORT
    return free_ports(1)[0]
