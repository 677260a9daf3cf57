"""Fault tests own all that they break: each has a PostgreSQL, a RabbitMQ and processes of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.cli.embedded.postgres import Postgres
from shared.db.migrate import migrate
from shared.messaging.rabbitmq import apply
from tests.support.rabbitmq import Rabbit
from tests.support.stack import Stack


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Postgres]:
    """A server that may be killed."""
    server = Postgres(tmp_path / "postgres")
    server.start()
    try:
        yield server
    finally:
        server.stop(remove=True)


@pytest.fixture
def own_rabbit(tmp_path: Path) -> Iterator[Rabbit]:
    """A broker that may be killed."""
    with Rabbit(tmp_path / "rabbit") as broker:
        yield broker


@pytest.fixture
async def own_dsn(own_postgres: Postgres) -> str:
    """A migrated database on it."""
    own_postgres.create_database("deskfactor")
    await migrate(own_postgres.dsn("deskfactor"))
    return own_postgres.dsn("deskfactor")


@pytest.fixture
async def own_stack(
    request: pytest.FixtureRequest, own_dsn: str, key_dir: Path, tmp_path: Path
) -> AsyncIterator[Stack]:
    """The whole product over RabbitMQ, or over the bus that a test names."""
    bus, url = getattr(request, "param", "rabbitmq"), ""
    if bus == "rabbitmq":
        broker: Rabbit = request.getfixturevalue("own_rabbit")
        url = broker.url()
        await apply([url])  # as an operator does; RabbitMQ 3.10 may lose a queue killed soon after birth
    async with Stack(dsn=own_dsn, key_dir=key_dir, folder=tmp_path, bus=bus, amqp_url=url) as running:
        yield running
