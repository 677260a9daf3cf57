"""What is measured: a PostgreSQL that keeps what it committed, a RabbitMQ, and each service its own process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from services.cli.embedded.postgres import Postgres
from services.policy.settings import PolicySettings
from shared.crypto.keyring import create_rings
from shared.db.migrate import migrate
from shared.messaging.rabbitmq import apply
from shared.process import Core, open_core
from shared.settings import Transport, load_settings
from tests.support.rabbitmq import Rabbit
from tests.support.stack import Stack

_TEMPLATE = "template_migrated"
_DATABASE = "deskfactor"
_SETTINGS = {
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "shared_preload_libraries": "pg_stat_statements",
    "max_connections": "300",
}
_QUIET = {"DESKFACTOR_LOG_LEVEL": "warning"}  # a line a request is the reader's to pay


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """A database server and a broker, the database and the virtual host that are used, and the folder of all."""

    folder: Path
    postgres: Postgres
    rabbit: Rabbit
    key_dir: Path
    template: str
    database: str
    amqp_url: str
    is_over_tcp: bool = False

    @property
    def dsn(self) -> str:
        """The database, as the user who may do everything."""
        return self.postgres.tcp_dsn(self.database) if self.is_over_tcp else self.postgres.dsn(self.database)

    @contextlib.asynccontextmanager
    async def apart(self, name: str) -> AsyncIterator["Servers"]:
        """The same servers with an empty database and an empty virtual host; both are dropped at the end."""
        folder = self.folder / name
        folder.mkdir()
        self.postgres.create_database(name, self.template)
        own = replace(self, folder=folder, database=name, amqp_url=self.rabbit.virtual_host(name))
        try:
            await apply([own.amqp_url])
            yield own
        finally:
            self.postgres.drop_database(name)
            await asyncio.to_thread(self.rabbit.ctl, "delete_vhost", name)

    @contextlib.asynccontextmanager
    async def stack(
        self, *, extra: Mapping[str, str] | None = None, replicas: Mapping[str, int] | None = None
    ) -> AsyncIterator[Stack]:
        """The product over RabbitMQ; ``replicas``: how many processes of a service, where it is not one."""
        folder = self.folder / "stack"
        folder.mkdir(exist_ok=True)
        running = Stack(
            dsn=self.dsn,
            key_dir=self.key_dir,
            folder=folder,
            bus="rabbitmq",
            amqp_url=self.amqp_url,
            extra={**_QUIET, **(extra or {})},
            replicas=replicas or {},
        )
        async with running:
            yield running

    def policy(self) -> contextlib.AbstractAsyncContextManager[Core]:
        """What a process of policy stands on, here to say its messages and to look at its timers."""
        settings = load_settings(
            PolicySettings,
            database_url=self.dsn,
            key_dir=self.key_dir,
            bus=Transport.RABBITMQ,
            amqp_urls=self.amqp_url,
        )
        return open_core(settings, name="policy", rings=())


@contextlib.asynccontextmanager
async def open_servers(folder: Path) -> AsyncIterator[Servers]:
    """Started, migrated, empty; gone at the end."""
    key_dir = folder / "keys"
    create_rings(key_dir)
    postgres = Postgres(folder / "postgres", durable=True, settings=_SETTINGS, listen=True)
    postgres.start()
    try:
        postgres.create_database(_TEMPLATE)
        await migrate(postgres.dsn(_TEMPLATE))
        postgres.create_database(_DATABASE, _TEMPLATE)
        rabbit = Rabbit(folder / "rabbit")
        with rabbit:
            await apply([rabbit.url()])
            yield Servers(
                folder=folder,
                postgres=postgres,
                rabbit=rabbit,
                key_dir=key_dir,
                template=_TEMPLATE,
                database=_DATABASE,
                amqp_url=rabbit.url(),
            )
    finally:
        await asyncio.to_thread(postgres.stop, remove=True)
