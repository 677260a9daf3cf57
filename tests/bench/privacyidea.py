"""privacyIDEA, set up and measured by the scripts that somebody has for it, on the PostgreSQL server of our own run.

The scripts are a folder with ``run_peer.sh`` (`setup`, `start PROFILE`, `bench PROFILE`, `stop`), which prints a line
of JSON for each profile. They would start a server of their own; given the data folder of ours, they find it running.
"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import asyncpg

from services.cli.benchmark import NoBenchmark
from services.cli.embedded.postgres import Postgres
from tests.bench.case import Tell

PROFILES = ("tuned", "threads")
"""The quick ones: with its connection pool and user cache, as two processes, or as two of four threads each."""

_PROGRAM = "run_peer.sh"
_OWN_PORT = "PGPORT=55432"  # of the server that the scripts would start
_STEP = "== "  # before what the scripts say that they do
_END_SHOWN = 20  # lines of what a script said before it failed


class PeerFailed(NoBenchmark):
    """The scripts are not there, did not come to their end, or measured answers that were wrong."""


def program_in(scripts: Path) -> Path:
    """What is run of them. Raises `PeerFailed`."""
    program = scripts / _PROGRAM
    if not program.is_file():
        raise PeerFailed(f"There is no {_PROGRAM} in {scripts}.")
    return program


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many people it has, and how long each of its phases lasts, in seconds."""

    users: int
    mailboxes: int
    seconds: float
    is_patient: bool
    """Whether a phase waits for a quiet machine, and is measured again where others disturbed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Installed into ``folder``, which the account of the database server must be able to pass through."""

    scripts: Path
    folder: Path
    postgres: Postgres
    sizes: Sizes
    tell: Tell

    async def settle(self) -> None:
        """Install it, and give it its people; what is there already stays. Raises `PeerFailed`."""
        source = program_in(self.scripts)
        if source.read_text().count(_OWN_PORT) != 1:
            raise PeerFailed(f"{_PROGRAM} does not say {_OWN_PORT}: it is another one than was tried.")
        self._link_data()
        shutil.copytree(self.scripts, self._copy, dirs_exist_ok=True)
        program = self._copy / _PROGRAM
        program.chmod(0o700)
        program.write_text(source.read_text().replace(_OWN_PORT, f"PGPORT={self.postgres.port}"))
        conn = await asyncpg.connect(self.postgres.dsn())
        try:
            if not await conn.fetchval("SELECT true FROM pg_roles WHERE rolname = 'postgres'"):
                await conn.execute("CREATE ROLE postgres SUPERUSER LOGIN")
        finally:
            await conn.close()
        await self._run("setup")

    @contextlib.asynccontextmanager
    async def serving(self, profile: str) -> AsyncIterator[None]:
        """Up until the block ends."""
        try:
            await self._run("start", profile)
            yield
        finally:
            self._unlink_data()  # else it would stop the server as well
            await self._run("stop")
            self._link_data()

    async def measure(self, profile: str, phases: Sequence[str], *, in_flight: int) -> Mapping[str, Any]:
        """What each phase gave; every answer was right. Raises `PeerFailed`."""
        said = await self._run("bench", profile, PEER_PHASES=",".join(phases), PEER_CONC=str(in_flight))
        measured: Mapping[str, Any] = json.loads(said.splitlines()[-1])["phases"]
        for phase, figures in measured.items():
            for each in figures if isinstance(figures, list) else figures.values():
                if each["bad"] or not each["n"]:
                    raise PeerFailed(f"{phase}: {each['bad']} answers of {each['n']} were wrong: {each}")
        return measured

    @property
    def _copy(self) -> Path:
        return self.folder / "scripts"

    @property
    def _data(self) -> Path:
        return self.folder / "pg" / "data"

    def _link_data(self) -> None:
        self._data.parent.mkdir(parents=True, exist_ok=True)
        self._unlink_data()
        self._data.symlink_to(self.postgres.state / "data")

    def _unlink_data(self) -> None:
        self._data.unlink(missing_ok=True)

    async def _run(self, *arguments: str, **more: str) -> str:
        """What a script printed. Raises `PeerFailed`."""
        process = subprocess.Popen(
            [self._copy / _PROGRAM, *arguments],
            env=self._environment() | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        out, err = cast("IO[str]", process.stdout), cast("IO[str]", process.stderr)
        try:
            printed, said = await asyncio.gather(asyncio.to_thread(_whole, out), asyncio.to_thread(self._listen, err))
            status = await asyncio.to_thread(process.wait)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        if status != 0:
            raise PeerFailed(f"{_PROGRAM} {' '.join(arguments)} ended with {status}:\n" + "\n".join(said))
        return printed

    def _listen(self, stream: IO[str]) -> list[str]:
        """Tell its steps; the last lines of all."""
        said: deque[str] = deque(maxlen=_END_SHOWN)
        with stream:
            for line in stream:
                said.append(line.rstrip())
                if line.startswith(_STEP):
                    self.tell(f"privacyIDEA: {said[-1].removeprefix(_STEP)}")
        return list(said)

    def _environment(self) -> dict[str, str]:
        machine = dict(os.environ)  # noqa: TID251 - handed on to a child
        patience = {} if self.sizes.is_patient else {"PEER_WAIT": "0", "PEER_RETRY": "0"}
        return (
            machine
            | patience
            | {
                "PEER_DIR": str(self.folder),
                "PEER_USERS": str(self.sizes.users),
                "PEER_MAILS": str(self.sizes.mailboxes),
                "PEER_SECONDS": str(self.sizes.seconds),
            }
        )


def _whole(stream: IO[str]) -> str:
    with stream:
        return stream.read()
