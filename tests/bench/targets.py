"""What a case is to reach, and whether it did."""

import enum
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.figures import Results


class Side(enum.StrEnum):
    """On which side of its limit a figure is good."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One line of the table. `value` takes the figure from a run; `unit` stands behind it."""

    what: str
    side: Side
    limit: float
    unit: str
    value: Callable[[Results], float]

    @property
    def to_reach(self) -> str:
        """As the table says it."""
        return f"{self.side} {number(self.limit)} {self.unit}".rstrip()

    def is_reached(self, value: float) -> bool:
        """Whether a figure is on the good side of the limit."""
        return value >= self.limit if self.side is Side.AT_LEAST else value <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A target and what each run gave."""

    target: Target
    values: Sequence[float]

    @property
    def verdict(self) -> str:
        """Reached means in every run; in some is said, and is not reached."""
        if any(math.isnan(each) for each in self.values):
            return "not measured"
        good = sum(self.target.is_reached(each) for each in self.values)
        if good == len(self.values):
            return "yes"
        return f"no ({good} of {len(self.values)} runs)" if good else "no"

    @property
    def figures(self) -> str:
        """Of each run, in order."""
        return " · ".join(number(each) for each in self.values)


def judge(targets: Sequence[Target], runs: Sequence[Results]) -> list[Judgement]:
    """Each target over all runs."""
    return [Judgement(target=each, values=[_value(each, run) for run in runs]) for each in targets]


def _value(target: Target, run: Results) -> float:
    """NaN where the case failed."""
    try:
        return target.value(run)
    except (LookupError, ValueError):
        return math.nan


def at_least(limit: float, unit: str, what: str, value: Callable[[Results], float]) -> Target:
    """More is better."""
    return Target(what=what, side=Side.AT_LEAST, limit=limit, unit=unit, value=value)


def at_most(limit: float, unit: str, what: str, value: Callable[[Results], float]) -> Target:
    """Less is better."""
    return Target(what=what, side=Side.AT_MOST, limit=limit, unit=unit, value=value)


def number(value: float) -> str:
    """Three digits that mean something; whole numbers whole."""
    if math.isnan(value):
        return "none"
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
