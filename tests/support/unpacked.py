"""Programs that the tests need: those that `make test` unpacked into `.run/debs`, else those that are installed."""

import os
import shutil
from pathlib import Path

UNPACKED = Path(__file__).parents[2] / ".run" / "debs"
_RABBITMQ_SCRIPTS = "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin"  # those in /usr/sbin insist on root or "rabbitmq"
_HINT = "`make .run/debs.ok` fetches it, without root"


class NotInstalled(Exception):
    """The program is nowhere on this machine."""


def find_rabbitmq(prefix: Path | None) -> tuple[Path, Path]:
    """The prefix of RabbitMQ, absolute, and the folder of its scripts within. Raises `NotInstalled`."""
    places = (prefix,) if prefix else (UNPACKED, Path("/"))
    for place in places:
        for scripts in place.glob(_RABBITMQ_SCRIPTS):
            return place.resolve(), scripts.relative_to(place)
    raise NotInstalled(f"no RabbitMQ under {' or '.join(map(str, places))}: {_HINT}")


def find_oathtool() -> tuple[Path, dict[str, str]]:
    """The program and the environment that it needs. Raises `NotInstalled`."""
    unpacked = UNPACKED / "usr/bin/oathtool"
    if unpacked.exists():
        libraries = map(str, (UNPACKED / "usr/lib").glob("*-linux-gnu*"))
        return unpacked, {"LD_LIBRARY_PATH": os.pathsep.join(libraries), "LC_ALL": "C"}
    if installed := shutil.which("oathtool"):
        return Path(installed), {"LC_ALL": "C"}
    raise NotInstalled(f"no oathtool under {UNPACKED} or installed: {_HINT}")
