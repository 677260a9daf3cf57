"""The floor as a process of its own, like each of our services."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.cli.embedded.child import Child
from services.cli.embedded.place import free_ports
from tests.bench.rig import Servers
from tests.bench.wire import Connection
from tests.support.stack import ROOT

_UP_WITHIN = 60.0  # seconds
_GONE_WITHIN = 30.0  # seconds
_POLL = 0.05  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorProcess:
    """Where it listens, and who it is."""

    url: str
    pid: int


@contextlib.asynccontextmanager
async def open_floor(servers: Servers) -> AsyncIterator[FloorProcess]:
    """Up until the block ends."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.bench.floor", servers.dsn, str(servers.key_dir), str(port)]
    machine = os.environ  # noqa: TID251 - handed on to a child
    child = Child(env=machine, cwd=ROOT, log=servers.folder / "floor.log", farewell=signal.SIGKILL)
    process = child.start(*command)
    url = f"http://127.0.0.1:{port}"
    try:
        await _until_it_listens(url)
        yield FloorProcess(url=url, pid=process.pid)
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, _GONE_WITHIN)
        except subprocess.TimeoutExpired:  # it has nothing to save
            process.kill()
            process.wait()


async def _until_it_listens(url: str) -> None:
    async with asyncio.timeout(_UP_WITHIN):
        while True:
            try:
                (await Connection.open(url)).close()
                return
            except OSError:
                await asyncio.sleep(_POLL)
