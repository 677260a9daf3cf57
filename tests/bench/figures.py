"""One line of output: what one case gave at one load or size."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.load import Samples
from tests.bench.usage import Used

PERCENTILES = (50, 95, 99)
_NAMES = ("case", "at", "cpu", "cpu_in_all", "cpu_of_servers")  # of a line; all others are values


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Rates in operations a second, latencies in milliseconds, CPU in milliseconds an operation; `values` by name.

    `cpu` is of our processes, `servers` of PostgreSQL and RabbitMQ with all of theirs.
    """

    case: str
    at: str
    values: Mapping[str, float]
    cpu: Mapping[str, float] = field(default_factory=dict)
    servers: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, case: str, at: str, samples: Samples, used: Used) -> "Figures":
        """Of operations that were timed one by one."""
        return cls.counted(case, at, len(samples.seconds), samples.elapsed, used, more=_latencies(samples))

    @classmethod
    def timed(cls, case: str, at: str, samples: Samples) -> "Figures":
        """Of operations beside which others went on, so that nobody knows what was used for which."""
        count = len(samples.seconds)
        values = {"operations": float(count), "rate": round(count / samples.elapsed, 1), **_latencies(samples)}
        return cls(case=case, at=at, values=values)

    @classmethod
    def counted(
        cls, case: str, at: str, count: int, elapsed: float, used: Used, *, more: Mapping[str, float] | None = None
    ) -> "Figures":
        """Of so many operations that took so many seconds together."""
        counted = {"statements": used.statements, "commits": used.commits, "messages": used.messages}
        each = {name: round(number / count, 2) for name, number in counted.items()}
        return cls(
            case=case,
            at=at,
            values={"operations": float(count), "rate": round(count / elapsed, 1), **(more or {}), **each},
            cpu=_each(used.cpu_seconds, count),
            servers=_each(used.server_seconds, count),
        )

    @property
    def cpu_in_all(self) -> float:
        """Of all our processes together."""
        return round(sum(self.cpu.values()), 3)

    def line(self) -> dict[str, object]:
        """As JSON takes it."""
        line: dict[str, object] = {"case": self.case, "at": self.at, **self.values}
        if self.cpu:
            line |= {"cpu": self.cpu, "cpu_in_all": self.cpu_in_all, "cpu_of_servers": self.servers}
        return line

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> "Figures":
        """The other way round."""
        values = {name: each for name, each in line.items() if name not in _NAMES}
        return cls(
            case=line["case"],
            at=line["at"],
            values=values,
            cpu=line.get("cpu", {}),
            servers=line.get("cpu_of_servers", {}),
        )


@dataclass(frozen=True, slots=True)
class Results:
    """All figures of one run, by the name of the case that gave them."""

    by_case: Mapping[str, Sequence[Figures]]

    def __iter__(self) -> Iterator[Figures]:
        return itertools.chain.from_iterable(self.by_case.values())

    def of(self, case: str, at: str) -> Figures:
        """Those of a case at one load. Raises `LookupError`."""
        for each in self:
            if (each.case, each.at) == (case, at):
                return each
        raise LookupError(f"nobody measured {case} at {at}")

    def value(self, case: str, at: str, name: str) -> float:
        """One of its values. Raises `LookupError`."""
        return self.of(case, at).values[name]


def _latencies(samples: Samples) -> dict[str, float]:
    return {f"p{each}": round(samples.percentile(each), 2) for each in PERCENTILES}


def _each(seconds: Mapping[str, float], count: int) -> dict[str, float]:
    return {name: round(each / count * 1000, 3) for name, each in seconds.items()}
