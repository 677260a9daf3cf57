"""Where a private server keeps its files, and as whom it runs."""

import contextlib
import errno
import hashlib
import os
import pwd
import secrets
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from services.cli.embedded.child import Account

_LOWEST_PORT = 15_000
_HIGHEST_PORT = 32_000  # where the system does not say
_OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_SOCKET_PATH_MAX = 107  # bytes, of sockaddr_un on Linux; 103 elsewhere
_LONGEST_SOCKET_NAME = "/.s.PGSQL.65535.lock"
_ACCOUNTS = ("postgres", "nobody")
_ROOTS_FOLDERS = ("/var/lib", "/var/tmp", "/opt")  # noqa: S108 - only what nobody else can write in, see `_roots_folder`


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The folder of a server, that of its socket, and the account when it is not ours."""

    state: Path
    socket_folder: Path
    account: Account | None

    def make(self) -> None:
        """Make both folders, open to the server's account only. `PermissionError` when one is somebody else's."""
        for folder in (self.state, self.socket_folder):
            folder.mkdir(parents=True, exist_ok=True)
            found = folder.lstat()
            ours = {os.geteuid()} | ({self.account.uid} if self.account else set())
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours:  # in /tmp a link may lie in wait
                raise PermissionError(errno.EPERM, "not a folder of ours", str(folder))
            folder.chmod(0o700)
            if self.account is not None:
                os.chown(folder, self.account.uid, self.account.gid)


def choose_place(state: Path) -> Place:
    """Where the server for `state` lives: there, or for root under /var/lib, since its account may not pass /root.

    The same `state` gives the same place each time.
    """
    state = state.resolve()
    account = _account() if os.geteuid() == 0 else None
    name = "deskfactor-" + hashlib.sha256(os.fsencode(state)).hexdigest()[:12]
    if account is not None:
        state = _roots_folder() / name
    socket_folder = state / "socket"
    if len(os.fsencode(socket_folder)) + len(_LONGEST_SOCKET_NAME) > _SOCKET_PATH_MAX:
        socket_folder = Path(tempfile.gettempdir(), name)
    return Place(state=state, socket_folder=socket_folder, account=account)


def free_ports(count: int) -> list[int]:
    """`count` TCP ports of 127.0.0.1 that nobody uses at this moment.

    None is of the range that outgoing connections draw from: there, a client that keeps calling a server which is down
    ends up connected to itself, and the server cannot have its port back.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = secrets.choice(range(_LOWEST_PORT, _lowest_outgoing_port()))
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports += [port] if port not in ports else []
    return ports


def _lowest_outgoing_port() -> int:
    try:
        return int(_OUTGOING_PORTS.read_text().split()[0])
    except OSError:
        return _HIGHEST_PORT


def _account() -> Account:
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise PermissionError(errno.EPERM, f"PostgreSQL refuses root, and there is no user {' or '.join(_ACCOUNTS)}")


def _roots_folder() -> Path:
    """The first folder that exists, is writable and may hold programs."""
    for folder in _ROOTS_FOLDERS:
        if os.access(folder, os.W_OK) and not os.statvfs(folder).f_flag & os.ST_NOEXEC:
            return Path(folder)
    raise PermissionError(errno.EACCES, f"none of {', '.join(_ROOTS_FOLDERS)} can hold a server")
