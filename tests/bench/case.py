"""A case: what it measures, on what, and what it is to reach."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from tests.bench.figures import Figures
from tests.bench.rig import Servers
from tests.bench.targets import Target

QUICK = 0.02
"""How much of its size a case has with `--quick`: enough to see that all answers are right, too little to judge by."""

Tell = Callable[[str], None]
"""Says what a case is doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a case is given: servers of which a database and a virtual host are its own, and how big it is to be."""

    servers: Servers
    scale: float = 1.0
    tell: Tell = lambda _: None

    def size(self, full: int, *, least: int = 1) -> int:
        """A number of a full run at this scale."""
        return max(least, round(full * self.scale))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One module of this folder ends in one of these; `tests.bench.cases` lists them."""

    name: str
    what: str
    measure: Callable[[Scene], AsyncIterator[Figures]]
    targets: Sequence[Target] = ()
