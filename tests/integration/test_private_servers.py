"""The servers that we start ourselves: they are ours alone, outlive a crash, and never outlive us."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from services.cli.embedded.binaries import OVERRIDE
from services.cli.embedded.child import command_line_of
from services.cli.embedded.place import choose_place
from services.cli.embedded.postgres import NoPostgres, Postgres, ServerFailed, StateInUse
from shared.clock import monotonic
from tests.support.rabbitmq import Rabbit

_ROOT = Path(__file__).parents[2]
_PROGRAM = """
import signal, sys, time
from pathlib import Path
from services.cli.embedded.postgres import Postgres
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background was started without it
with Postgres(Path(sys.argv[1]), durable=True) as server:
    print((server.state / "data/postmaster.pid").read_text().split()[0], flush=True)
    time.sleep(60)
"""
_SERVICE = """
import sys, time
from pathlib import Path
from tests.support.stack import Stack
folder = Path(sys.argv[1])
stack = Stack(dsn=sys.argv[2], key_dir=Path(sys.argv[3]), folder=folder)
stack.start("audit")
print(stack.pid("audit"), flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL that a test may kill, and starts again."""
    with Postgres(tmp_path_factory.mktemp("server"), listen=True) as started:
        yield started


async def test_a_commit_outlives_the_kill_of_the_server(server: Postgres) -> None:
    """Fault tests prove nothing unless what was committed before a crash is there after it."""
    server.create_database("kept")
    await _run(server.dsn("kept"), "CREATE TABLE row AS SELECT 1 AS id")
    server.kill()
    server.start()
    assert await _run(server.dsn("kept"), "SELECT id FROM row") == 1


async def test_the_tcp_port_stays_the_same_over_a_restart(server: Postgres) -> None:
    """A proxy in front of it, and a client that comes again, know only the port."""
    before = server.tcp_dsn()
    server.kill()
    with pytest.raises(OSError, match=r"refused|failed"):
        await _run(before, "SELECT 1")
    server.start()
    assert await _run(before, "SELECT 1") == 1


def test_a_pid_file_that_names_a_stranger_does_not_keep_it_from_starting(server: Postgres) -> None:
    """In a restarted container the old server's pid belongs to somebody else, and PostgreSQL alone would give up."""
    server.kill()
    pid_file = server.state / "data" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    stranger = subprocess.Popen(["/bin/sleep", "60"])
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        server.start()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_state_serves_one_program_at_a_time(tmp_path: Path) -> None:
    """Two servers on one folder would destroy it; the second hears why it may not."""
    with Postgres(tmp_path / "state"), pytest.raises(StateInUse, match="another process"):
        Postgres(tmp_path / "state").start()


async def test_a_database_is_copied_from_a_template_and_dropped_under_its_users(server: Postgres) -> None:
    """Each test gets a copy of a migrated database, and its end must not hang on a forgotten connection."""
    server.create_database("origin")
    await _run(server.dsn("origin"), "CREATE TABLE row AS SELECT 2 AS id")
    server.create_database('copy"; --', template="origin")
    assert await _run(server.dsn('copy"; --'), "SELECT id FROM row") == 2
    left_open = await asyncpg.connect(server.dsn('copy"; --'))
    server.drop_database('copy"; --')
    left_open.terminate()
    with pytest.raises(ServerFailed, match="already exists"):
        server.create_database("origin")


def test_nothing_is_left_of_a_server_that_keeps_nothing(tmp_path: Path) -> None:
    """Tests and demos run many times a day on somebody's machine."""
    with Postgres(tmp_path / "state") as server:
        state = server.state
        assert (state / "data").is_dir()
    assert not state.exists()


def test_an_initialisation_that_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    """Initdb writes its version file first: half a cluster looks like a whole one, and must not be taken for it."""
    place = choose_place(tmp_path / "state")
    place.make()
    (place.state / "data.new").mkdir()
    (place.state / "data.new" / "PG_VERSION").write_text("18\n")
    with Postgres(tmp_path / "state") as server:
        assert (server.state / "data" / "global").is_dir()


async def test_any_path_will_do(tmp_path: Path) -> None:
    """People check out under long names with blanks and quotes; a socket's path has room for a hundred bytes."""
    state = tmp_path / 'it\'s a "long" name' / ("n" * 100)
    with Postgres(state) as server:
        assert await _run(server.dsn(), "SELECT 1") == 1
    assert not choose_place(state).socket_folder.exists()


def test_only_the_main_thread_starts_a_server(tmp_path: Path) -> None:
    """The kernel ends the server together with the thread that started it, which would look like a crash."""
    said: list[str] = []

    def start() -> None:
        try:
            Postgres(tmp_path / "state").start()
        except RuntimeError as error:
            said.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in said[0]


def test_a_folder_without_the_programs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever points us at their own PostgreSQL and mistypes it should read which setting is wrong."""
    monkeypatch.setenv(OVERRIDE, str(tmp_path))
    with pytest.raises(NoPostgres, match=OVERRIDE):
        Postgres(tmp_path / "state").start()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
async def test_the_server_ends_with_the_program_however_that_ends(tmp_path: Path, end: signal.Signals) -> None:
    """Ctrl-C, a closed terminal and the kernel's memory killer must not leave a server behind, nor a broken state."""
    state = tmp_path / "state"
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, state], cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert program.stdout is not None
    pid = int(program.stdout.readline())
    program.send_signal(end)
    program.wait()
    program.stdout.close()
    _until(lambda: "postgres" not in command_line_of(pid))
    server = Postgres(state, durable=True)
    try:
        server.start()
        assert await _run(server.dsn(), "SELECT 1") == 1
    finally:
        server.stop(remove=True)


def test_no_service_outlives_a_run_of_the_tests_that_was_killed(tmp_path: Path, dsn: str, key_dir: Path) -> None:
    """It would take the next run's messages off its database, and could open none of them."""
    program = subprocess.Popen(
        [sys.executable, "-c", _SERVICE, tmp_path, dsn, key_dir], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    pid = int(program.stdout.readline())
    _until(lambda: '"started"' in (tmp_path / "audit.log").read_text())
    program.kill()
    program.wait()
    program.stdout.close()
    _until(lambda: "services.audit" not in command_line_of(pid))


@pytest.mark.faults
def test_a_killed_broker_comes_back_with_its_port_and_its_state(tmp_path: Path, rabbit_prefix: Path | None) -> None:
    """Clients find a broker again only where it was, and a test of lost messages needs those that were stored."""
    with Rabbit(tmp_path / "rabbit", prefix=rabbit_prefix) as broker:
        broker.ctl("add_vhost", "kept")
        port = broker.amqp_port()
        broker.kill()
        assert not broker.is_up()
        broker.start_node()
        assert broker.amqp_port() == port
        assert "kept" in broker.ctl("list_vhosts").split()
    assert not (tmp_path / "rabbit").exists()


async def _run(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def _until(is_so: Callable[[], bool]) -> None:
    deadline = monotonic() + 30
    while not is_so():
        assert monotonic() < deadline
        time.sleep(0.02)
