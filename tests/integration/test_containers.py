"""The containers of docker-compose.yml as processes: each with its own command, settings, database role and key rings.

There may be no container engine where the tests run, but all that the file gives a service can be given to a process.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from shared.clock import monotonic
from tests.support.ports import own_ports

_ROOT = Path(__file__).parents[2]
_SERVICES: Mapping[str, Any] = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())["services"]
_FILES: Mapping[str, Any] = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())["secrets"]
_SERVING = ("audit", "notifier", "policy", "timers", "otp_worker", "gateway")
_READY_WITHIN = 90.0  # seconds, on a machine that has much else to do
_DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an operator makes before the first start."""
    folder = tmp_path_factory.mktemp("secrets")
    for _ in range(2):  # the second time everything is there, and stays
        subprocess.run([_ROOT / "tools/compose-secrets.sh", folder], check=True, capture_output=True)
    return folder


@pytest.fixture
def started(secrets: Path, tmp_path: Path, new_dsn: Callable[[], str]) -> Callable[[str, int], subprocess.Popen[bytes]]:
    """Starts a container's command with what its entry in the file gives it; ``…(name, health port)``."""
    dsn = new_dsn()

    def start(name: str, health_port: int) -> subprocess.Popen[bytes]:
        folder = tmp_path / name
        folder.mkdir()
        for entry in _SERVICES[name]["secrets"]:
            source, target = (entry, entry) if isinstance(entry, str) else (entry["source"], entry["target"])
            text = (secrets / Path(_FILES[source]["file"]).relative_to("secrets")).read_text()
            if target == "DESKFACTOR_DATABASE_URL" and name != "migrate":
                text = dsn.replace("//app@", f"//{text.split('//')[1].partition(':')[0]}@")
            elif target == "DESKFACTOR_DATABASE_URL":
                text = dsn
            (folder / target).write_text(text)
        with (tmp_path / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                _command(_SERVICES[name]["command"], folder),
                cwd=_ROOT,
                env=_environment(_SERVICES[name]["environment"], folder, health_port),
                stdout=log,
                stderr=log,
            )

    return start


async def test_every_container_starts_with_what_it_is_given(
    started: Callable[[str, int], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """A role without a grant, a ring that is not mounted, a setting that is missing: seen here, not on a server."""
    assert await asyncio.to_thread(started("migrate", 0).wait, _READY_WITHIN) == 0
    ports = dict(zip(_SERVING, own_ports(len(_SERVING)), strict=True))
    running = {name: started(name, port) for name, port in ports.items()}
    try:
        async with aiohttp.ClientSession() as session:
            for name, port in ports.items():
                assert await _is_ready(session, port, running[name]), (tmp_path / f"{name}.log").read_text()[-2000:]
    finally:
        for process in running.values():
            process.terminate()
        ended = {name: await asyncio.to_thread(process.wait, _READY_WITHIN) for name, process in running.items()}
    assert ended == dict.fromkeys(_SERVING, 0)
    for name in _SERVING:
        assert '"level": "error"' not in (tmp_path / f"{name}.log").read_text()


async def _is_ready(session: aiohttp.ClientSession, port: int, process: subprocess.Popen[bytes]) -> bool:
    """Polls until work can be done there; False when the process ended or took too long."""
    end = monotonic() + _READY_WITHIN
    while process.poll() is None and monotonic() < end:
        try:
            async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
                if response.status == 200:
                    return True
        except aiohttp.ClientError:
            pass  # does not listen yet
        await asyncio.sleep(0.1)
    return False


def _command(written: list[str], folder: Path) -> list[str]:
    program = ["-m", "services.cli"] if written[0] == "deskfactor" else []
    return [sys.executable, *program, *(part.replace("/run/secrets", str(folder)) for part in written[1:])]


def _environment(written: Mapping[str, object], folder: Path, health_port: int) -> dict[str, str]:
    """As in the container; the bus is the one that needs no broker, and ports are free ones."""
    given = {name: _DEFAULT.sub(r"\1", str(value)) for name, value in written.items() if value is not None}
    given |= {
        "DESKFACTOR_BUS": "postgres",
        "DESKFACTOR_SECRETS_DIR": str(folder),
        "DESKFACTOR_KEY_DIR": str(folder),
        "DESKFACTOR_HEALTH_PORT": str(health_port),
    }
    if "DESKFACTOR_PORT" in given:
        given |= {"DESKFACTOR_HOST": "127.0.0.1", "DESKFACTOR_PORT": "0"}
    ours = os.environ.items()  # noqa: TID251 - handed on, not read
    return {name: value for name, value in ours if not name.startswith("DESKFACTOR_")} | given
