"""Each test of this folder runs over every transport; `Transport` is what it may ask of one."""

from collections.abc import AsyncIterator

import pytest

from services.cli.embedded.postgres import Postgres
from tests.support.lanes_transport import PostgresTransport, migrated_database
from tests.support.transports import RabbitTransport, Transport


@pytest.fixture(scope="session")
async def lanes_dsn(postgres: Postgres) -> AsyncIterator[str]:
    """A migrated database whose lanes are all for the suite's own names."""
    async with migrated_database(postgres, "conformance") as dsn:
        yield dsn


@pytest.fixture(params=["rabbitmq", "postgres"])
def transport(request: pytest.FixtureRequest) -> Transport:
    """The transport under test, on its private server. Lanes of `new_lane` keep tests apart on it."""
    match request.param:
        case "rabbitmq":
            return RabbitTransport(request.getfixturevalue("rabbit"))
        case "postgres":
            return PostgresTransport(request.getfixturevalue("lanes_dsn"))
        case unknown:
            raise ValueError(unknown)
