"""What somebody types who tries it out: `deskfactor demo` and `deskfactor dev`."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from services.cli.demo.helpdesk import Helpdesk, Json
from services.cli.embedded.place import choose_place
from services.cli.embedded.postgres import Postgres
from shared.secret import Secret
from tests.support.ports import own_ports

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0  # seconds; a busy machine
COLUMNS = 80  # of a terminal that nobody has made wider


class Trial:
    """A command that stays, and what it has said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: list[str] = []

    async def until(self, words: str) -> None:
        """Read until a line says so."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while not self.said or words not in self.said[-1]:
                line = await self._process.stdout.readline()
                assert line, f"it ended: {self.said[-5:]}"
                self.said.append(line.decode().rstrip("\n"))

    async def end(self, number: signal.Signals) -> int:
        """Signal it; the exit status."""
        self._process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode

    def value(self, name: str) -> str:
        """What a line ``NAME=value`` gave."""
        [found] = [line.removeprefix(f"{name}=") for line in self.said if line.startswith(f"{name}=")]
        return found


async def start(folder: Path, *words: str) -> Trial:
    """A command whose temporary files go into a folder of the test's."""
    return Trial(
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.cli",
            *words,
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder), "COLUMNS": str(COLUMNS), "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    )


def left_behind(folder: Path) -> list[Path]:
    """What demos whose temporary folder this was have not removed; for root the server is elsewhere."""
    server = choose_place(folder / f"deskfactor-demo-{os.geteuid()}-1").state
    return [*folder.iterdir(), *([server] if server.exists() else [])]


async def call(trial: Trial, key: str, method: str, path: str, body: object = None) -> Json:
    """One request with a key, to where the trial said that it is."""
    async with Helpdesk(trial.value("URL"), Secret(key)) as helpdesk:
        return await helpdesk.call(method, path, body)


async def test_the_demo_ends_with_lines_that_can_be_pasted_and_leaves_nothing(tmp_path: Path) -> None:
    """The first command that anybody types: it must read well, work as printed, and be gone."""
    trial = await start(tmp_path, "demo", "--port", str(own_ports(1)[0]))
    await trial.until("Ctrl-C stops everything")

    assert [line for line in trial.said if len(line) > COLUMNS] == []
    assert not any("✗" in line for line in trial.said)
    [factor] = (await call(trial, trial.value("KEY"), "GET", "/v1/accounts/you/factors"))["data"]
    assert (factor["id"], factor["state"]) == (trial.value("FACTOR"), "pending")
    assert await trial.end(signal.SIGINT) == 0
    assert left_behind(tmp_path) == []


async def test_a_demo_that_is_interrupted_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    """Who has seen enough presses Ctrl-C; they should not have to tidy up."""
    trial = await start(tmp_path, "demo", "--port", str(own_ports(1)[0]))
    await trial.until("Ready at")

    assert await trial.end(signal.SIGINT) == 130
    assert left_behind(tmp_path) == []


async def test_what_a_killed_demo_left_the_next_one_clears(tmp_path: Path) -> None:
    """Nobody looks into temporary folders, and a database is not small."""
    killed = await start(tmp_path, "demo", "--port", str(own_ports(1)[0]))
    await killed.until("Ready at")
    assert await killed.end(signal.SIGKILL) == -signal.SIGKILL
    assert left_behind(tmp_path) != []

    following = await start(tmp_path, "demo", "--port", str(own_ports(1)[0]))
    await following.until("Ready at")
    assert await following.end(signal.SIGTERM) == 130
    assert left_behind(tmp_path) == []


async def test_dev_keeps_its_data_and_gives_a_new_key_each_time(tmp_path: Path) -> None:
    """An integration is built over days: accounts and keys of yesterday must work today."""
    state = tmp_path / "state"
    words = ("dev", "--state", str(state), "--port", str(own_ports(1)[0]))
    try:
        first = await start(tmp_path, *words)
        await first.until("Ctrl-C ends it")
        await call(first, first.value("KEY"), "PUT", "/v1/accounts/ann", {"role": "agent"})
        assert await first.end(signal.SIGTERM) == 0

        again = await start(tmp_path, *words)
        await again.until("Ctrl-C ends it")
        keys = {first.value("KEY"), again.value("KEY")}
        roles = [(await call(again, key, "GET", "/v1/accounts/ann"))["role"] for key in keys]
        assert roles == ["agent", "agent"]
        assert await again.end(signal.SIGINT) == 0
    finally:
        Postgres(state, durable=True).stop(remove=True)  # for root it is not in the test's folder
