"""What processes and servers used meanwhile, by the operating system's and the database's own accounts."""

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg
import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Between two looks."""

    cpu_seconds: Mapping[str, float]
    statements: int
    commits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters at one instant."""

    cpu_seconds: Mapping[str, float]
    statements: int
    commits: int

    def since(self, before: "Reading") -> Used:
        """What was added."""
        return Used(
            cpu_seconds={name: self.cpu_seconds[name] - before.cpu_seconds[name] for name in self.cpu_seconds},
            statements=self.statements - before.statements,
            commits=self.commits - before.commits,
        )


class Meter:
    """Reads the processes of a run, by name, and the database that they use."""

    def __init__(self, dsn: str, pids: Mapping[str, int]) -> None:
        self._dsn = dsn
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}

    async def read(self) -> Reading:
        """The counters now. Its own statements are in them: two."""
        conn = await asyncpg.connect(self._dsn)
        try:
            await conn.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            statements = await conn.fetchval(_STATEMENTS)
            commits = await conn.fetchval(_COMMITS)
        finally:
            await conn.close()
        return Reading(
            cpu_seconds={name: _cpu(process) for name, process in self._processes.items()},
            statements=int(statements),
            commits=int(commits),
        )

    def memory(self) -> dict[str, float]:
        """MiB that each process holds now."""
        return {name: process.memory_info().rss / 2**20 for name, process in self._processes.items()}


def _cpu(process: psutil.Process) -> float:
    with process.oneshot():
        times = process.cpu_times()
        return float(times.user + times.system)


_STATEMENTS = """
SELECT coalesce(sum(s.calls), 0)
  FROM pg_stat_statements AS s JOIN pg_database AS d ON d.oid = s.dbid
 WHERE d.datname = current_database() AND s.query !~* '^(BEGIN|COMMIT|SET|ROLLBACK|LISTEN)'
"""
_COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
