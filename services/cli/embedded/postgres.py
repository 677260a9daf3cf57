"""A private PostgreSQL: a folder and a Unix socket of its own, for nobody but us, gone when the program ends."""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote, urlencode

from services.cli.embedded.binaries import Binaries, NoPostgres, find_binaries
from services.cli.embedded.child import Child, children_of, command_line_of, send
from services.cli.embedded.cluster import ServerFailed, initialise
from services.cli.embedded.place import choose_place, free_ports
from shared.clock import monotonic

__all__ = ["NoPostgres", "Postgres", "ServerFailed", "StateInUse"]

_READY_WITHIN = 60.0  # seconds; recovery after a crash is in it
_STOPPED_WITHIN = 30.0  # seconds
_POLL = 0.01  # seconds
_SUPERUSER = "app"
_USUAL_PORT = 5432  # without TCP it is a part of the socket's name only
_STATUS_LINE = 7  # of postmaster.pid, counted from 0
_STILL_HELD = "pre-existing shared memory block"  # said while a process of the killed server is on its way out
_THROW_AWAY = {"fsync": "off", "full_page_writes": "off"}  # synchronous_commit stays: a commit outlives kill -9


class StateInUse(Exception):
    """Another process runs a server on the same state."""


class Postgres:
    """One server, used as a context manager, or by `start` and `stop`, from the main thread.

    `state` is its folder. PostgreSQL refuses root; started by root it runs as ``postgres`` or ``nobody``, in a folder
    under /var/lib that is named after `state`. With `durable` the data stays and is safe against power cuts; else each
    object begins empty, and nothing is left of it. `settings` go over the defaults. `listen` adds a TCP port on
    127.0.0.1 that trusts every user of this machine: for tests, with a proxy in between.
    """

    def __init__(
        self, state: Path, *, durable: bool = False, settings: Mapping[str, str] | None = None, listen: bool = False
    ) -> None:
        self.port = free_ports(1)[0] if listen else _USUAL_PORT  # stays the same over restarts
        self._durable = durable
        self._listen = listen
        self._settings = dict(settings or {})
        self._place = choose_place(state)
        self._binaries: Binaries | None = None
        self._lock: IO[str] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def state(self) -> Path:
        """Where data and log really are."""
        return self._place.state

    @property
    def pid(self) -> int:
        """The first process of the server, parent of all others."""
        if self._server is None:
            raise RuntimeError("the server is not running")
        return self._server.pid

    def start(self) -> Self:
        """Start on the data that is there, or on new, and return once connections are accepted.

        After `kill` it recovers as from a crash. Raises `StateInUse`, `NoPostgres` or `ServerFailed`.
        """
        if self._server is not None and self._server.poll() is None:
            raise RuntimeError("the server was started already")
        self._take_lock()
        try:
            self._prepare()
            self._run()
        except BaseException:
            self.stop(remove=not self._durable)
            raise
        return self

    def stop(self, *, remove: bool = False) -> None:
        """End all sessions, write everything, stop. With `remove` the state goes as well. May be called twice."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(_STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                self.kill()
            self._server = None
        if remove:
            shutil.rmtree(self._place.socket_folder, ignore_errors=True)
            shutil.rmtree(self._place.state, ignore_errors=True)
            self._binaries = None  # the copy went, too
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """SIGKILL to the server and each of its processes; `start` brings it back, recovering."""
        if self._server is None:
            raise RuntimeError("there is no server to kill")
        children = children_of(self._server.pid)
        for pid in (self._server.pid, *children):
            send(pid, signal.SIGKILL)
        self._server.wait(_STOPPED_WITHIN)
        self._server = None

    def dsn(self, database: str = "postgres", user: str = _SUPERUSER) -> str:
        """Address by the Unix socket, for every process of the user who started it (of root: and of the server's)."""
        where = urlencode({"host": self._place.socket_folder, "port": self.port})
        return f"postgresql://{user}@/{quote(database, safe='')}?{where}"

    def tcp_dsn(self, database: str = "postgres", user: str = _SUPERUSER, *, port: int | None = None) -> str:
        """Address by TCP, of a server that listens; `port` is that of a proxy in between."""
        if not self._listen:
            raise RuntimeError("this server was not asked to listen on TCP")
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{quote(database, safe='')}"

    def create_database(self, name: str, template: str | None = None) -> None:
        """A new database, empty or a copy of `template`, to which nobody may be connected. Raises `ServerFailed`."""
        copied = f" TEMPLATE {_quoted(template)}" if template else ""
        self._execute(f"CREATE DATABASE {_quoted(name)}{copied}")

    def drop_database(self, name: str) -> None:
        """Drop it if it is there; who is connected to it is disconnected."""
        self._execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop(remove=not self._durable)

    @property
    def _data(self) -> Path:
        return self._place.state / "data"

    @property
    def _child(self) -> Child:
        state = self._place.state
        # Not the caller's locale: it need not exist on this machine.
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": str(state)}
        return Child(env=env, cwd=state, log=state / "log", farewell=signal.SIGINT, account=self._place.account)

    def _take_lock(self) -> None:
        if self._lock is not None:  # kept while killed: nobody else may have the state in between
            return
        self._place.make()
        lock = (self._place.state / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.fstat(lock.fileno()).st_nlink > 0  # else its last owner removed the state under our hands
        except BlockingIOError:
            is_ours = False
        if not is_ours:
            lock.close()
            raise StateInUse(f"another process runs a server in {self._place.state}")
        self._lock = lock

    def _prepare(self) -> None:
        self._end_orphan()
        if self._binaries is None:
            found = find_binaries()
            if not self._durable:
                shutil.rmtree(self._data, ignore_errors=True)  # of a program that was killed
            if self._place.account is not None and not found.are_open_to_others():
                found = found.given_to(self._place.account, self._place.state / "bin")
            self._binaries = found
        if not self._data.exists():
            initialise(
                self._data,
                binaries=self._binaries,
                child=self._child,
                superuser=_SUPERUSER,
                is_durable=self._durable,
            )

    def _end_orphan(self) -> None:
        """Stop a server whose program is gone, and drop a postmaster.pid that names a stranger.

        We hold the lock, so nobody looks after such a server. A pid that was given away again, as happens when a
        container is restarted, would keep PostgreSQL from starting.
        """
        pid_file = self._data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return
        if str(self._data) in command_line_of(pid):
            send(pid, signal.SIGINT)
        deadline = monotonic() + _STOPPED_WITHIN
        while str(self._data) in command_line_of(pid):
            if monotonic() > deadline:
                raise StateInUse(f"process {pid} holds {self._place.state} and does not stop")
            time.sleep(_POLL)
        pid_file.unlink(missing_ok=True)

    def _run(self) -> None:
        deadline = monotonic() + _READY_WITHIN
        while True:
            begin = self._child.log.stat().st_size if self._child.log.exists() else 0
            self._server = self._spawn()
            while self._server.poll() is None and monotonic() < deadline:
                if self._is_ready(self._server.pid):
                    return
                time.sleep(_POLL)
            said = self._child.said(begin)
            if self._server.poll() is None or _STILL_HELD not in said or monotonic() > deadline:
                raise ServerFailed(f"postgres did not start: {said}")
            time.sleep(10 * _POLL)

    def _spawn(self) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1" if self._listen else "",
            "port": str(self.port),
            "unix_socket_directories": _quoted(str(self._place.socket_folder)),
            "unix_socket_permissions": "0700",
            "max_connections": "300",
            "log_error_verbosity": "terse",  # without DETAIL, which quotes rows
            **({} if self._durable else _THROW_AWAY),
            **self._settings,
        }
        options = (part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        return self._child.start(self._programs / "postgres", "-D", self._data, *options)

    def _is_ready(self, pid: int) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().split("\n")
        except OSError:
            return False
        return lines[0] == str(pid) and len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"

    @property
    def _programs(self) -> Path:
        if self._binaries is None:
            raise RuntimeError("the server was not started")
        return self._binaries.folder

    def _execute(self, statement: str) -> None:
        said = subprocess.run(
            [self._programs / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.dsn(), "-c", statement],
            env=dict(self._child.env) | {"PGCONNECT_TIMEOUT": "5"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if said.returncode != 0:
            raise ServerFailed(said.stderr.strip())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
