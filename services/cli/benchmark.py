"""Where the benchmark is found: it lies with the tests, which are not shipped."""

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

_MODULE: Final = "tests.bench.running"
_NEEDED: Final = "psutil"
_HINT: Final = "`make bench`, in the source tree, has all that it needs."


class NoBenchmark(Exception):
    """It is not here, or lacks something; the text says what to do."""


class NoSuchCase(Exception):
    """Somebody asked for a case that is not there; the text names those that are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPlace:
    """A folder of scripts that set up another product and measure it, and where they put it; None: this run only."""

    scripts: Path
    state: Path | None = None


class Benchmark(Protocol):
    """What is called of it."""

    def bench(
        self,
        names: Sequence[str],
        *,
        is_quick: bool = False,
        runs: int = 1,
        out: Path | None = None,
        page: Path | None = None,
        peer: PeerPlace | None = None,
        is_resumed: bool = False,
    ) -> bool:
        """Measure; whether every target was reached. Raises `NoSuchCase` and `NoBenchmark`."""


def load_benchmark() -> Benchmark:
    """That of the source tree which is the current folder. Raises `NoBenchmark`."""
    if not _is_there(_MODULE):
        raise NoBenchmark(f"The benchmark is not here: it comes with the source, in tests/bench. {_HINT}")
    if not _is_there(_NEEDED):
        raise NoBenchmark(f"The benchmark needs {_NEEDED}. {_HINT}")
    return cast("Benchmark", importlib.import_module(_MODULE))


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it
        return False
