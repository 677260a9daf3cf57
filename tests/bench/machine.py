"""On what it was measured: enough to compare figures by, nothing that names the machine."""

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from services.cli.embedded.binaries import find_binaries
from shared.clock import host_now
from tests.support.unpacked import find_rabbitmq


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Processor, memory and versions."""

    date: str
    processor: str
    cores: int
    memory_gib: int
    system: str
    python: str
    postgres: str
    rabbitmq: str

    @property
    def sentence(self) -> str:
        """All of it in one."""
        return (
            f"{self.date}, {self.cores} cores of {self.processor}, {self.memory_gib} GiB, {self.system}, "
            f"Python {self.python}, PostgreSQL {self.postgres}, RabbitMQ {self.rabbitmq}"
        )


def describe() -> Machine:
    """The machine that we run on, now."""
    return Machine(
        date=host_now().date().isoformat(),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30),
        system=f"{platform.system()} {'.'.join(re.findall(r'[0-9]+', platform.release())[:2])}",
        python=platform.python_version(),
        postgres=_postgres(),
        rabbitmq=_rabbitmq(),
    )


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    text = described.read_text() if described.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _postgres() -> str:
    program = find_binaries().folder / "postgres"
    return subprocess.run([program, "-V"], capture_output=True, text=True, check=True, env={}).stdout.split()[2]


def _rabbitmq() -> str:
    _, scripts = find_rabbitmq(None)
    found = re.search(r"rabbitmq_server-([0-9.]+)", str(scripts))
    return found[1] if found else "of unknown version"
