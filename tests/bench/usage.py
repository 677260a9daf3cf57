"""What processes and servers used, by the accounts of the operating system, the database and the broker."""

import asyncio
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import asyncpg
import psutil
from aio_pika.abc import AbstractChannel

from shared.messaging.rabbitmq.names import queue_of
from shared.messaging.topology import LANES, Lane
from tests.bench.rig import Servers
from tests.support.broker_link import connected

_POLL = 0.1  # seconds
_QUIET_LOOKS = 3  # in a row: what a worker has in its hands is in no queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Since the start of everything, or between two looks. `messages`: what the broker was handed, replies included."""

    cpu_seconds: Mapping[str, float]
    server_seconds: Mapping[str, float]
    statements: int
    commits: int
    messages: int

    def since(self, before: "Used") -> "Used":
        """What was added."""
        return Used(
            cpu_seconds={name: self.cpu_seconds[name] - each for name, each in before.cpu_seconds.items()},
            server_seconds={name: self.server_seconds[name] - each for name, each in before.server_seconds.items()},
            statements=self.statements - before.statements,
            commits=self.commits - before.commits,
            messages=self.messages - before.messages,
        )


class Meter:
    """Reads the processes of a run, by name, and the servers that they use."""

    def __init__(self, servers: Servers, pids: Mapping[str, int], *, counts_messages: bool = True) -> None:
        """``counts_messages``: ask the broker, whose program takes a second to start."""
        self._servers = servers
        self._own = 0
        self._counts_messages = counts_messages
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._server_processes = {"postgres": servers.postgres.pid, "rabbitmq": servers.rabbit.pid()}

    async def read(self) -> Used:
        """The counters now, once the messages of before are handled: what comes after an answer is of its cost, too.

        Without its own statements.
        """
        self._own += await settle(self._servers)
        return await self.look()

    async def look(self) -> Used:
        """The counters now, whatever is still to be done."""
        cpu_seconds = {name: _cpu(process) for name, process in self._processes.items()}
        server_seconds = {name: _cpu_of_tree(pid) for name, pid in self._server_processes.items()}
        self._own += 3
        conn = await asyncpg.connect(self._servers.dsn)
        try:
            await conn.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            statements = await conn.fetchval(_STATEMENTS)
            commits = await conn.fetchval(_COMMITS)
        finally:
            await conn.close()
        return Used(
            cpu_seconds=cpu_seconds,
            server_seconds=server_seconds,
            statements=int(statements) - self._own,
            commits=int(commits) - self._own,
            messages=await asyncio.to_thread(self._messages) if self._counts_messages else 0,
        )

    def memory(self) -> dict[str, float]:
        """MiB that each process holds now."""
        return {name: process.memory_info().rss / 2**20 for name, process in self._processes.items()}

    def _messages(self) -> int:
        said = self._servers.rabbit.ctl("eval", "rabbit_global_counters:overview().")
        return sum(int(each) for each in re.findall(r"messages_received_total\s*=>\s*(\d+)", said))


async def settle(servers: Servers, *, within: float = 1_800.0, lanes: Collection[Lane] = LANES) -> int:
    """Wait until nothing is unpublished and no lane has a message waiting; how often the database was asked.

    Raises `TimeoutError`.
    """
    conn = await asyncpg.connect(servers.dsn)
    try:
        async with asyncio.timeout(within), connected(servers.amqp_url) as broker, await broker.channel() as channel:
            quiet = looks = 0
            while quiet < _QUIET_LOOKS:
                looks += 1
                quiet = 0 if await conn.fetchval(_UNPUBLISHED) or await _waiting(channel, lanes) else quiet + 1
                await asyncio.sleep(_POLL)
            return looks
    finally:
        await conn.close()


async def _waiting(channel: AbstractChannel, lanes: Collection[Lane]) -> int:
    queues = [await channel.get_queue(queue_of(lane)) for lane in lanes if not lane.is_ingress]
    return sum(queue.declaration_result.message_count or 0 for queue in queues)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _cpu_of_tree(pid: int) -> float:
    """With the processes that it started; those that ended are in their parent's account."""
    total = 0.0
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


_UNPUBLISHED = "SELECT EXISTS (SELECT 1 FROM bus.outbox WHERE published_at IS NULL)"
_STATEMENTS = """
SELECT coalesce(sum(s.calls), 0)
  FROM pg_stat_statements AS s JOIN pg_database AS d ON d.oid = s.dbid
 WHERE d.datname = current_database() AND s.query !~* '^(BEGIN|COMMIT|SET|ROLLBACK|LISTEN)'
"""
_COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
