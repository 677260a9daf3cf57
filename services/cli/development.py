"""The embedded shape: a private PostgreSQL, its lanes, all services and both simulators in one process, on loopback."""

import contextlib
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.cli.embedded.place import free_ports
from services.cli.embedded.postgres import Postgres, StateInUse
from services.cli.simulators.mailbox import Mailbox
from services.cli.simulators.twilio import TwilioSimulator
from services.cli.together import all_services
from services.notifier.adapters.senders import SANDBOX_SID, SANDBOX_TOKEN
from shared.crypto.keyring import create_rings
from shared.db.migrate import migrate
from shared.secret import Secret

PREFERRED_PORT: Final = 8080
NOT_FOR_PRODUCTION: Final = "NOT-FOR-PRODUCTION"
_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateDatabase:
    """A PostgreSQL of our own. What must live and die with its data is put into `folder`."""

    dsn: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Development:
    """What runs, and where it is reached."""

    url: str
    dsn: str
    key_dir: Path
    mailbox: Mailbox
    phones: TwilioSimulator


@contextlib.contextmanager
def kept_database(state: Path) -> Iterator[PrivateDatabase]:
    """A database that is there again the next time. Blocks: used before the loop starts. Raises `StateInUse`."""
    with _running(Postgres(state, durable=True).start(), remove=False) as database:
        yield database


@contextlib.contextmanager
def throwaway_database() -> Iterator[PrivateDatabase]:
    """An empty database, gone at the end. Blocks: used before the loop starts. Raises `StateInUse`.

    Its folder has one of a few fixed names, so that the next one clears what a killed one left.
    """
    for number in range(1, _AT_ONCE + 1):
        postgres = Postgres(Path(tempfile.gettempdir(), f"deskfactor-demo-{os.geteuid()}-{number}"))
        try:
            postgres.start()
        except (StateInUse, PermissionError):  # in /tmp somebody else's folder may have the name
            continue
        with _running(postgres, remove=True) as database:
            yield database
        return
    raise StateInUse(f"{_AT_ONCE} demos are running already")


@contextlib.contextmanager
def _running(postgres: Postgres, *, remove: bool) -> Iterator[PrivateDatabase]:
    try:
        yield PrivateDatabase(dsn=postgres.dsn(), folder=postgres.state)
    finally:
        with _undisturbed():
            postgres.stop(remove=remove)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Whoever presses Ctrl-C twice does not keep the server from being stopped and its folder from being dropped."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.asynccontextmanager
async def development(database: PrivateDatabase, *, port: int | None = None) -> AsyncIterator[Development]:
    """Everything but the database, on ``port``, else on 8080 or, where that is taken, on a free one."""
    key_dir = development_keys(database.folder / "keys")
    await migrate(database.dsn)
    port = port or _free_port()
    url = f"http://127.0.0.1:{port}"
    token: Secret[str] = Secret(SANDBOX_TOKEN)
    async with Mailbox() as mailbox, TwilioSimulator(account_sid=SANDBOX_SID, auth_token=token) as phones:
        given = {
            "env": "development",
            "database_url": database.dsn,
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
            yield Development(url=url, dsn=database.dsn, key_dir=key_dir, mailbox=mailbox, phones=phones)


def development_keys(folder: Path) -> Path:
    """Key rings that refuse to be used in production; made at the first start."""
    create_rings(folder)
    (folder / NOT_FOR_PRODUCTION).touch()
    return folder


def _free_port() -> int:
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", PREFERRED_PORT)):
        return PREFERRED_PORT
    return free_ports(1)[0]
