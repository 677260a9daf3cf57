"""One line of the table: what one case gave at one load."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from tests.bench.load import Samples
from tests.bench.usage import Used


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Rates in operations a second, latencies in milliseconds, CPU in milliseconds an operation."""

    case: str
    in_flight: int
    operations: int
    rate: float
    p50: float
    p95: float
    p99: float
    cpu: Mapping[str, float]
    statements: float
    commits: float

    @classmethod
    def of(cls, case: str, in_flight: int, samples: Samples, used: Used) -> "Figures":
        """From what was measured."""
        count = len(samples.seconds)
        return cls(
            case=case,
            in_flight=in_flight,
            operations=count,
            rate=round(samples.rate, 1),
            p50=round(samples.percentile(50), 2),
            p95=round(samples.percentile(95), 2),
            p99=round(samples.percentile(99), 2),
            cpu={name: round(seconds / count * 1000, 3) for name, seconds in used.cpu_seconds.items()},
            statements=round(used.statements / count, 2),
            commits=round(used.commits / count, 2),
        )

    @property
    def cpu_in_all(self) -> float:
        """Of all measured processes together."""
        return round(sum(self.cpu.values()), 3)

    def line(self) -> dict[str, object]:
        """As JSON takes it."""
        return asdict(self) | {"cpu_in_all": self.cpu_in_all}
