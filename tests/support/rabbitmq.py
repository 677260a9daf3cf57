"""Private RabbitMQ nodes on loopback, run by whoever runs the tests, that can be killed and brought back."""

import secrets
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from services.cli.embedded.child import Child
from shared.clock import monotonic
from tests.support.ports import own_ports
from tests.support.unpacked import NotInstalled, find_rabbitmq

_UP_WITHIN = 120.0  # seconds; a node of a cluster waits for its peers
_STOPPED_WITHIN = 60.0  # seconds
_POLL = 0.05  # seconds
_IDLE = "+sbwt none +sbwtdcpu none +sbwtdio none"  # schedulers do not spin: on a busy machine rabbitmqctl took 10 s so
_LOOPBACK_AND_IDLE = f"-kernel inet_dist_use_interface {{127,0,0,1}} {_IDLE}"


class RabbitFailed(Exception):
    """A node did not come up; the message holds what it said."""


@dataclass(slots=True, kw_only=True)
class _Node:
    name: str
    amqp: int
    dist: int
    management: int
    child: Child
    process: subprocess.Popen[bytes] | None = None


class Rabbit:
    """One node, or a cluster of several; a context manager, or `start` and `stop`, from the main thread.

    `prefix` is a folder into which tools/debs.sh unpacked RabbitMQ; without it, `.run/debs`, else what is installed.
    The management plugin makes every stop and start seconds slower: only on request.
    """

    def __init__(self, state: Path, *, nodes: int = 1, prefix: Path | None = None, management: bool = False) -> None:
        self._state = state.resolve()
        self._installed, scripts = find_rabbitmq(prefix)
        self._prefix = self._state / "installed"
        self._scripts = self._prefix / scripts
        self._plugins = ("rabbitmq_management",) if management else ()
        self._password = secrets.token_hex(8)
        self._epmd_port, *ports = own_ports(1 + 3 * nodes)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._nodes = [
            _Node(
                name=f"n{number}@localhost",  # the machine's own name need not resolve
                amqp=amqp,
                dist=dist,
                management=web,
                child=self._child(number, dist),
            )
            for number, (amqp, dist, web) in enumerate(zip(ports[::3], ports[1::3], ports[2::3], strict=True), 1)
        ]

    def start(self) -> Self:
        """Start all nodes and return once each accepts AMQP. Raises `RabbitFailed`."""
        try:
            self._prepare()
            for node in range(len(self._nodes)):
                self.start_node(node, wait=False)  # a cluster forms only if all come at once
            for node in range(len(self._nodes)):
                self.wait_until_up(node)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything at once and remove the state: a test's broker has nothing to save. May be called twice."""
        for node, each in enumerate(self._nodes):
            if each.process is not None:
                self.kill(node)
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait(_STOPPED_WITHIN)
            self._epmd = None
        shutil.rmtree(self._state, ignore_errors=True)

    def kill(self, node: int = 0) -> None:
        """SIGKILL to a node. Its ports stay closed and its state stays on disk until `start_node`.

        RabbitMQ 3.10 killed within a second after a quorum queue was declared never finds a leader for it again.
        """
        process = self._running(node)
        process.kill()
        process.wait(_STOPPED_WITHIN)
        self._nodes[node].process = None

    def shut_down(self, node: int = 0) -> None:
        """Stop a node in good order, as for an upgrade; `start_node` brings it back."""
        process = self._running(node)
        process.terminate()
        try:
            process.wait(_STOPPED_WITHIN)
        except subprocess.TimeoutExpired:  # seen when a queue had lost its leader
            process.kill()
            process.wait(_STOPPED_WITHIN)
        self._nodes[node].process = None

    def start_node(self, node: int = 0, *, wait: bool = True) -> None:
        """Bring a node back, on the same ports and state. Without `wait` it returns at once: see `is_up`."""
        each = self._nodes[node]
        if each.process is not None:
            raise RuntimeError(f"{each.name} runs")
        each.process = each.child.start(self._scripts / "rabbitmq-server")
        if wait:
            self.wait_until_up(node)

    def is_up(self, node: int = 0) -> bool:
        """Whether the node accepts AMQP, which it does last. Raises `RabbitFailed` when it ended by itself."""
        process = self._nodes[node].process
        if process is None:
            return False
        if process.poll() is not None:
            raise RabbitFailed(f"{self._nodes[node].name} ended: {self._nodes[node].child.said()}")
        return _accepts(self._nodes[node].amqp)

    def wait_until_up(self, node: int = 0) -> None:
        """Return when `is_up`. Raises `RabbitFailed` after two minutes."""
        deadline = monotonic() + _UP_WITHIN
        while not self.is_up(node):
            if monotonic() > deadline:
                raise RabbitFailed(f"{self._nodes[node].name} is not up: {self._nodes[node].child.said()}")
            time.sleep(_POLL)

    def url(self, node: int = 0) -> str:
        """The AMQP address, of an administrator."""
        return f"amqp://app:{self._password}@127.0.0.1:{self._nodes[node].amqp}/"

    @property
    def urls(self) -> list[str]:
        """The addresses of all nodes."""
        return [self.url(node) for node in range(len(self._nodes))]

    def virtual_host(self, name: str) -> str:
        """The address of a new virtual host: what is declared and bound there is seen by nobody else on this broker."""
        everything = ", ".join(['<<".*">>'] * 3)
        self.ctl(  # in one go: the program takes half a second to start, and seconds where there is much else to do
            "eval",
            f'rabbit_vhost:add(<<"{name}">>, <<"app">>), '
            f'rabbit_auth_backend_internal:set_permissions(<<"app">>, <<"{name}">>, {everything}, <<"app">>).',
        )
        return f"{self.url()}{name}"

    def pid(self, node: int = 0) -> int:
        """The node's process id."""
        return self._running(node).pid

    def amqp_port(self, node: int = 0) -> int:
        """The node's AMQP port on 127.0.0.1."""
        return self._nodes[node].amqp

    @property
    def management_url(self) -> str:
        """The management API of the first node, with the administrator's name and password; only with `management`."""
        if not self._plugins:
            raise RuntimeError("this broker was started without its management plugin")
        return f"http://app:{self._password}@127.0.0.1:{self._nodes[0].management}/"

    def ctl(self, *arguments: str, node: int = 0) -> str:
        """What `rabbitmqctl` prints. It takes half a second to start. `subprocess.CalledProcessError` on refusal."""
        return subprocess.run(
            [self._scripts / "rabbitmqctl", "-q", *arguments],
            env=dict(self._nodes[node].child.env),
            cwd=self._nodes[node].child.cwd,
            capture_output=True,
            text=True,
            timeout=_STOPPED_WITHIN,
            check=True,
        ).stdout

    def type(self, command: str, node: int = 0) -> None:
        """Run a line as an administrator types it. `subprocess.CalledProcessError` on refusal."""
        child = self._nodes[node].child
        subprocess.run(
            ["/bin/sh", "-ec", command],
            env=dict(child.env) | {"PATH": f"{self._scripts}:{child.env['PATH']}"},
            cwd=child.cwd,
            capture_output=True,
            timeout=_STOPPED_WITHIN,
            check=True,
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _running(self, node: int) -> subprocess.Popen[bytes]:
        process = self._nodes[node].process
        if process is None:
            raise RuntimeError(f"{self._nodes[node].name} is not running")
        return process

    @property
    def _env(self) -> dict[str, str]:
        return {
            "HOME": str(self._state),  # of the cookie
            "LC_ALL": "C.UTF-8",
            "PATH": f"{self._prefix / 'usr/bin'}:/usr/bin:/bin:/usr/sbin:/sbin",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def _child(self, number: int, dist: int) -> Child:
        folder = self._state / f"n{number}"
        env = {
            "RABBITMQ_NODENAME": f"n{number}@localhost",
            "RABBITMQ_DIST_PORT": str(dist),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _LOOPBACK_AND_IDLE,
            "RABBITMQ_CTL_ERL_ARGS": _IDLE,
            "RUNNING_UNDER_SYSTEMD": "true",  # the script then execs erl: our child is the node, and signals reach it
        }
        return Child(env=self._env | env, cwd=folder, log=folder / "output", farewell=signal.SIGTERM)

    def _prepare(self) -> None:
        """Write the configuration, and start the nodes' name server."""
        self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._prefix.unlink(missing_ok=True)
        self._prefix.symlink_to(self._installed)  # scripts and Erlang stumble over a blank in a path: here is none
        cookie = self._state / ".erlang.cookie"
        cookie.unlink(missing_ok=True)
        cookie.touch(mode=0o600)
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)  # Erlang refuses any other
        for node in self._nodes:
            node.child.cwd.mkdir(exist_ok=True)
            Path(node.child.env["RABBITMQ_CONF_ENV_FILE"]).touch()
            Path(node.child.env["RABBITMQ_CONFIG_FILE"]).write_text("\n".join(self._configuration(node)) + "\n")
            Path(node.child.env["RABBITMQ_ENABLED_PLUGINS_FILE"]).write_text(f"[{','.join(self._plugins)}].\n")
        # In the foreground, ours to end: the one that a node starts would stay for good.
        names = Child(env=self._env, cwd=self._state, log=self._state / "epmd.log", farewell=signal.SIGTERM)
        epmd = shutil.which("epmd", path=self._env["PATH"])
        if epmd is None:
            raise NotInstalled(f"no epmd on {self._env['PATH']}")
        self._epmd = names.start(epmd, "-port", str(self._epmd_port), "-address", "127.0.0.1")
        deadline = monotonic() + _UP_WITHIN
        while not _accepts(self._epmd_port):
            if self._epmd.poll() is not None or monotonic() > deadline:
                raise RabbitFailed(f"epmd: {names.said()}")
            time.sleep(_POLL)

    def _configuration(self, node: _Node) -> list[str]:
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{node.amqp}",
            "default_user = app",
            f"default_pass = {self._password}",
            "default_user_tags.administrator = true",
            "disk_free_limit.absolute = 50MB",
        ]
        if self._plugins:
            lines += ["management.tcp.ip = 127.0.0.1", f"management.tcp.port = {node.management}"]
        if len(self._nodes) > 1:
            lines += ["cluster_formation.peer_discovery_backend = classic_config"]
            lines += [
                f"cluster_formation.classic_config.nodes.{number} = {each.name}"
                for number, each in enumerate(self._nodes, 1)
            ]
        return lines


def _accepts(port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex(("127.0.0.1", port)) == 0
