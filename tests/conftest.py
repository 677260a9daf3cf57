"""Servers that the tests share: private, started when the first test asks, gone at the end."""

import asyncio
import itertools
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from services.cli.embedded.postgres import NoPostgres, Postgres, StateInUse
from shared.crypto.keyring import create_rings
from shared.db.migrate import migrate
from shared.db.pool import Database
from tests.support.rabbitmq import Rabbit
from tests.support.unpacked import NotInstalled

_ROOT = Path(__file__).parents[1]
_LONGEST_FIRST = ("acceptance", "conformance", "integration", "handlers")
"""Folders in the order in which their tests are handed out: what comes last should be short, so that both halves of a
run end together."""
_BUS = re.compile(r"\[(postgres|rabbitmq)\b")  # of the fixture `stack`
_RABBITMQ = "DESKFACTOR_TEST_RABBITMQ"  # a folder that tools/debs.sh unpacked another RabbitMQ into
_POSTGRES_SETTINGS = {
    "shared_buffers": "64MB",
    "max_wal_size": "4GB",  # no checkpoint in the middle of a race
    "checkpoint_timeout": "1h",
    "jit": "off",
    "shared_preload_libraries": "pg_stat_statements",
}


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Divide a run in halves (`make test`): what is started for a bus, or for a file, is started in one of them."""
    return _Halves(config, log)


class _Halves(LoadScopeScheduling):
    """Hands out all tests of a bus or of a file at once."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        bus = _BUS.search(name) if file.startswith("tests/acceptance/") else None
        return bus[1] if bus else file


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a half the longest comes first."""
    if hasattr(config, "workerinput"):
        items.sort(key=_turn_of)


def _turn_of(item: pytest.Item) -> tuple[bool, int]:
    folder = item.path.relative_to(_ROOT / "tests").parts[0]
    turn = _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)
    return "stack" not in getattr(item, "fixturenames", ()), turn


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """An empty PostgreSQL for the whole run. Data is as safe from kill -9 as in production, not from power cuts.

    Runs at the same time take one folder each; what a killed run left in its folder, the next one clears.
    """
    for number in itertools.count(1):
        server = Postgres(_ROOT / ".run" / "tests" / f"postgres-{number}", settings=_POSTGRES_SETTINGS)
        try:
            server.start()
        except StateInUse:
            continue
        except NoPostgres as error:
            pytest.fail(str(error), pytrace=False)
        try:
            yield server
        finally:
            server.stop(remove=True)
        return


@pytest.fixture(scope="session")
def rabbit_prefix() -> Path | None:
    """Where RabbitMQ is, for tests that start one of their own; None leaves it to `Rabbit`."""
    prefix = os.environ.get(_RABBITMQ)  # noqa: TID251 - of the tests, not of a service
    return _ROOT / prefix if prefix else None


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory, rabbit_prefix: Path | None) -> Iterator[Rabbit]:
    """One RabbitMQ node, without the management plugin, for the whole run. Who kills it starts one of their own."""
    try:
        broker = Rabbit(tmp_path_factory.mktemp("rabbit"), prefix=rabbit_prefix)
    except NotInstalled as error:
        pytest.fail(str(error), pytrace=False)
    with broker:
        yield broker


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    """The name of a migrated, empty database that others are copied from."""
    postgres.create_database("template_migrated")
    asyncio.run(migrate(postgres.dsn("template_migrated")))
    return "template_migrated"


@pytest.fixture(scope="session")
def new_dsn(postgres: Postgres, template: str) -> Callable[[], str]:
    """Makes a migrated, empty database of one's own; returns its DSN as the user who may do everything."""
    numbers = itertools.count(1)

    def make() -> str:
        name = f"test_{next(numbers)}"
        postgres.create_database(name, template)
        return postgres.dsn(name)

    return make


@pytest.fixture(scope="module")
def dsn(new_dsn: Callable[[], str]) -> str:
    """A migrated database for the tests of one module; each of them makes tenants of its own."""
    return new_dsn()


@pytest.fixture(scope="session")
def key_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every key ring."""
    folder = tmp_path_factory.mktemp("keys")
    create_rings(folder)
    return folder


DatabaseFor = Callable[[str], Awaitable[Database]]


@pytest.fixture
async def database_for(dsn: str) -> AsyncIterator[DatabaseFor]:
    """Opens the module's database with the role of a service: await it with the service's name, e.g. "policy"."""
    async with AsyncExitStack() as stack:

        async def open_as(service: str) -> Database:
            return await stack.enter_async_context(Database(dsn, role=f"deskfactor_{service}", name=f"test-{service}"))

        yield open_as
