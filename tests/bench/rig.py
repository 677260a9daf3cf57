"""What is measured: a PostgreSQL that keeps what it committed, a RabbitMQ, and each service its own process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.cli.embedded.postgres import Postgres
from shared.crypto.keyring import create_rings
from shared.db.migrate import migrate
from shared.messaging.rabbitmq import apply
from tests.support.rabbitmq import Rabbit
from tests.support.stack import Stack

DATABASE = "deskfactor"
_SETTINGS = {
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "shared_preload_libraries": "pg_stat_statements",
    "max_connections": "200",
}
_QUIET = {"DESKFACTOR_LOG_LEVEL": "warning"}  # a line a request is the reader's to pay


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """A database server and a broker, and the folder of all that runs on them."""

    folder: Path
    postgres: Postgres
    rabbit: Rabbit
    key_dir: Path

    @property
    def dsn(self) -> str:
        """The database, as the user who may do everything."""
        return self.postgres.dsn(DATABASE)

    @contextlib.asynccontextmanager
    async def stack(self, *, extra: Mapping[str, str] | None = None) -> AsyncIterator[Stack]:
        """The product over RabbitMQ."""
        folder = self.folder / "stack"
        folder.mkdir(exist_ok=True)
        running = Stack(
            dsn=self.dsn,
            key_dir=self.key_dir,
            folder=folder,
            bus="rabbitmq",
            amqp_url=self.rabbit.url(),
            extra={**_QUIET, **(extra or {})},
        )
        async with running:
            yield running


@contextlib.asynccontextmanager
async def open_servers(folder: Path) -> AsyncIterator[Servers]:
    """Started, migrated, empty; gone at the end."""
    key_dir = folder / "keys"
    create_rings(key_dir)
    postgres = Postgres(folder / "postgres", durable=True, settings=_SETTINGS)
    postgres.start()
    try:
        postgres.create_database(DATABASE)
        await migrate(postgres.dsn(DATABASE))
        rabbit = Rabbit(folder / "rabbit")
        with rabbit:
            await apply([rabbit.url()])
            yield Servers(folder=folder, postgres=postgres, rabbit=rabbit, key_dir=key_dir)
    finally:
        await asyncio.to_thread(postgres.stop, remove=True)
