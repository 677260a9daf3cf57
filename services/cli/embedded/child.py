"""A child process that does not outlive the one that started it."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of this machine that a child runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """How to start one: its environment, folder, the file its output is added to, and the user when it is not ours.

    `farewell` is the signal that the kernel sends it when this process dies (Linux).
    """

    env: Mapping[str, str]
    cwd: Path
    log: Path
    farewell: signal.Signals
    account: Account | None = None

    def start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """Start `command` in a session of its own: Ctrl-C reaches us first, and the child is stopped in order.

        The kernel says farewell already when the *thread* that started the child ends. Hence from the main thread
        only; `RuntimeError` elsewhere.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a private server is started from the main thread, which lives as long as the process")
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [os.fspath(part) for part in command],
                env=dict(self.env),
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Runs after the change of user, which would undo it. It takes no lock that a thread could hold.
                preexec_fn=_dies_with_us(self.farewell),  # noqa: PLW1509
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )

    def said(self, since: int = 0) -> str:
        """The end of what was written to the log after its byte `since`, at most 3,000 characters."""
        with contextlib.suppress(FileNotFoundError):
            return self.log.read_bytes()[since:].decode(errors="replace")[-3000:]
        return ""


def send(pid: int, what: signal.Signals) -> None:
    """Signal a process that may be gone by now."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, what)


def children_of(pid: int) -> list[int]:
    """The direct children of a process; empty where the system has no /proc."""
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def command_line_of(pid: int) -> str:
    """The command line of a process, arguments divided by spaces; empty when there is no such process."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    return subprocess.run(
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout


def _dies_with_us(farewell: signal.Signals) -> Callable[[], None]:
    """What the child does between fork and exec; all it needs is loaded before the fork."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    parent = os.getpid()

    def bind() -> None:
        if libc is None:
            return
        libc.prctl(_PR_SET_PDEATHSIG, int(farewell))
        if os.getppid() != parent:  # it died in between: the signal will not come any more
            os._exit(1)

    return bind
