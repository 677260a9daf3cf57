"""``deskfactor`` as an operator types it: a process of its own."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_PATIENCE = 60.0  # seconds; a loaded machine is slow to start a process
_PATH = "/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Typed:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """What ``--json`` printed."""
        assert self.out, self.err
        assert self.out, self.err
        return json.loads(self.out)


async def deskfactor(*words: str, **settings: str | Path) -> Typed:
    """Run one command with ``DESKFACTOR_…`` as given, and nothing of ours in its environment."""
    process = await start_deskfactor(*words, **settings)
    async with asyncio.timeout(_PATIENCE):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Typed(process.returncode, out.decode(), err.decode())


async def start_deskfactor(*words: str, **settings: str | Path) -> asyncio.subprocess.Process:
    """Start a command that stays."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        *words,
        cwd=_ROOT,
        env={"PATH": _PATH} | {f"DESKFACTOR_{name.upper()}": str(value) for name, value in settings.items()},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
