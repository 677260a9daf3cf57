"""The whole product for acceptance and fault tests: each service its own process, over either bus."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from services.cli.embedded.child import Child
from services.cli.simulators.mailbox import Mailbox
from services.cli.simulators.twilio import TwilioSimulator
from services.notifier.adapters.senders import SANDBOX_SID, SANDBOX_TOKEN
from shared.secret import Secret
from tests.support.ports import own_ports

ROOT = Path(__file__).parents[2]
SERVICES: Mapping[str, tuple[str, ...]] = {
    "audit": ("services.audit",),
    "notifier": ("services.notifier",),
    "policy": ("services.policy",),
    "timers": ("services.policy", "timers"),
    "otp_worker": ("services.otp_worker",),
    "gateway": ("services.gateway",),
}
READY_WITHIN = 90.0  # seconds, on a machine that has much else to do
STOPPED_WITHIN = 35.0  # seconds: work in hand may take 25


class NotReady(Exception):
    """A service did not come up; the text is the end of its log."""


@dataclass(slots=True)
class _Running:
    process: subprocess.Popen[bytes]
    log: Path


@dataclass(slots=True)
class Stack:
    """Services as processes, with simulators in this one. Entered and left as a context manager.

    ``replicas``: how many processes of a service; the second of `policy` is called `policy.2`.
    """

    dsn: str
    key_dir: Path
    folder: Path
    bus: str = "postgres"
    amqp_url: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    mailbox: Mailbox = field(default_factory=Mailbox)
    phones: TwilioSimulator = field(
        default_factory=lambda: TwilioSimulator(account_sid=SANDBOX_SID, auth_token=Secret(SANDBOX_TOKEN))
    )
    replicas: Mapping[str, int] = field(default_factory=dict)
    ports: dict[str, int] = field(init=False)
    _running: dict[str, _Running] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """A port for each process."""
        more = [f"{name}.{number}" for name, count in self.replicas.items() for number in range(2, count + 1)]
        names = [*SERVICES, *more]
        self.ports = dict(zip(names, own_ports(len(names)), strict=True))

    @property
    def url(self) -> str:
        """The gateway."""
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def urls(self) -> list[str]:
        """All gateways."""
        return [f"http://127.0.0.1:{port}" for name, port in self.ports.items() if _service(name) == "gateway"]

    def pids(self) -> dict[str, int]:
        """All processes, by name."""
        return {name: running.process.pid for name, running in self._running.items()}

    def pid(self, name: str) -> int:
        """The process id of a service."""
        return self._running[name].process.pid

    def log(self, name: str) -> str:
        """All that a service wrote."""
        return self._running[name].log.read_text()

    async def __aenter__(self) -> Self:
        await self.mailbox.start()
        await self.phones.start()
        for name in self.ports:
            self.start(name)
        try:
            await asyncio.gather(*(self.wait_ready(name) for name in self.ports))
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._end()

    def start(self, name: str) -> None:
        """Start a service, for the first time or again. It ends with us, however we end."""
        log = self.folder / f"{name}.log"
        # Left over from a run that was killed, it would work on the next run's database, with keys of its own.
        child = Child(env=self._environment(name), cwd=ROOT, log=log, farewell=signal.SIGKILL)
        self._running[name] = _Running(child.start(sys.executable, "-m", *SERVICES[_service(name)]), log)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """End a service without a word, and wait until it is gone."""
        process = self._running[name].process
        process.send_signal(number)
        process.wait(STOPPED_WITHIN)

    async def stop(self, name: str) -> int:
        """SIGTERM; the exit status."""
        process = self._running[name].process
        process.terminate()
        return await asyncio.to_thread(process.wait, STOPPED_WITHIN)

    async def wait_ready(self, name: str) -> None:
        """Poll the service's own /readyz. Raises `NotReady`."""
        url = f"http://127.0.0.1:{self.ports[name]}/readyz"
        process = self._running[name].process
        try:
            async with asyncio.timeout(READY_WITHIN), aiohttp.ClientSession() as session:
                while process.poll() is None:
                    try:
                        async with session.get(url) as response:
                            if response.status == 200:
                                return
                    except aiohttp.ClientError:
                        pass
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pass
        raise NotReady(f"{name}: {self.log(name)[-2000:]}")

    async def _end(self) -> None:
        for running in self._running.values():
            if running.process.poll() is None:
                running.process.terminate()
        for running in self._running.values():
            try:
                await asyncio.to_thread(running.process.wait, STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
        await self.mailbox.stop()
        await self.phones.stop()

    def _environment(self, name: str) -> dict[str, str]:
        machine = os.environ.items()  # noqa: TID251 - handed on to a child
        kept = {key: value for key, value in machine if not key.startswith("DESKFACTOR_")}
        port = str(self.ports[name])
        own = {"DESKFACTOR_PORT": port} if _service(name) == "gateway" else {"DESKFACTOR_HEALTH_PORT": port}
        return {
            **kept,
            "DESKFACTOR_DATABASE_URL": self.dsn,
            "DESKFACTOR_KEY_DIR": str(self.key_dir),
            "DESKFACTOR_BUS": self.bus,
            "DESKFACTOR_AMQP_URLS": self.amqp_url,
            "DESKFACTOR_PUBLIC_URL": self.url,
            "DESKFACTOR_SANDBOX_SMTP_PORT": str(self.mailbox.port),
            "DESKFACTOR_SANDBOX_TWILIO_URL": self.phones.base_url,
            **own,
            **self.extra,
        }


def _service(name: str) -> str:
    """Whose replica a process is."""
    return name.partition(".")[0]
