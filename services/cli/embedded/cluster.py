"""A new, empty database cluster."""

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

from services.cli.embedded.binaries import Binaries
from services.cli.embedded.child import Child

_SMALL_SHM = 256 << 20  # bytes; a container's usual 64 MiB is short for parallel queries
_BUILTIN_LOCALE_SINCE = 17
_SET_OPTION_SINCE = 16


class ServerFailed(Exception):
    """PostgreSQL did not start, or refused a statement; the message holds what it said."""


def initialise(data: Path, *, binaries: Binaries, child: Child, superuser: str, is_durable: bool) -> None:
    """Make the cluster `data`. Interrupted, it leaves nothing there. Raises `ServerFailed`."""
    major = binaries.major()
    unfinished = data.with_suffix(".new")  # renamed when whole: initdb writes PG_VERSION early
    shutil.rmtree(unfinished, ignore_errors=True)
    options = ["-U", superuser, "-A", "trust", "-E", "UTF8"]
    if major >= _BUILTIN_LOCALE_SINCE:  # needs no locale of this machine
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    else:
        options += ["--locale=C.UTF-8"]
    if not is_durable:
        options += ["--no-sync"]
    if major >= _SET_OPTION_SINCE and _has_small_shm():
        options += ["--set", "dynamic_shared_memory_type=mmap"]
    initdb = replace(child, log=data.with_name("initdb.log"), farewell=signal.SIGTERM)
    process = initdb.start(binaries.folder / "initdb", "-D", unfinished, *options)
    try:
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if status != 0:
        raise ServerFailed(f"initdb: {initdb.said()}")
    unfinished.rename(data)


def _has_small_shm() -> bool:
    try:
        free = os.statvfs("/dev/shm")  # noqa: S108 - looked at only
    except OSError:
        return False
    return free.f_bavail * free.f_frsize < _SMALL_SHM
