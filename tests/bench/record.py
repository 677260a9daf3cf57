"""The lines of a run, and from them where it goes on after it was interrupted: an hour is not measured twice."""

import contextlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from services.cli.benchmark import NoBenchmark
from tests.bench.figures import Figures

_Turn = tuple[int, str]  # the number of a run, from 1, and a case


@dataclass(frozen=True, slots=True)
class Record:
    """Where each line goes at once, and what earlier lines said."""

    lines: TextIO
    known: Mapping[_Turn, Sequence[Figures]]

    def figures(self, run: int, case: str) -> Sequence[Figures] | None:
        """Those of a case that was finished in that run."""
        return self.known.get((run, case))

    def say(self, run: int, case: str, figures: Figures) -> None:
        """What was just measured."""
        self._write({"run": run, "of": case, **figures.line()})

    def finish(self, run: int, case: str) -> None:
        """There is no more of the case in this run."""
        self._write({"run": run, "of": case, "finished": True})

    def fail(self, run: int, case: str, reason: str) -> None:
        """Its figures of this run do not count."""
        self._write({"run": run, "of": case, "failed": reason})

    def _write(self, line: Mapping[str, object]) -> None:
        print(json.dumps(line), file=self.lines, flush=True)


@contextlib.contextmanager
def recording(out: Path | None, *, setting: Mapping[str, object], is_resumed: bool) -> Iterator[Record]:
    """To a file, or to stdout; ``setting``: what must be the same for figures to stand beside each other.

    Raises `NoBenchmark` where a run is to go on that was begun elsewhere, or that there is no file of.
    """
    if out is None:
        if is_resumed:
            raise NoBenchmark("To go on with a run its lines are needed: name their file with --out.")
        yield Record(sys.stdout, {})
        return
    known = _read(out, setting) if is_resumed and out.exists() else {}
    with out.open("w", encoding="utf-8") as lines:  # without what was interrupted
        print(json.dumps(setting), file=lines)
        record = Record(lines, known)
        for (run, case), figures in known.items():
            for each in figures:
                record.say(run, case, each)
            record.finish(run, case)
        yield record


def _read(out: Path, setting: Mapping[str, object]) -> dict[_Turn, Sequence[Figures]]:
    begun_with, *lines = list(_complete(out.read_text(encoding="utf-8"))) or [dict(setting)]
    if begun_with != setting:
        raise NoBenchmark(
            f"{out} was begun on another machine, with other servers or in another size. Without --resume it is "
            "written anew."
        )
    measured: dict[_Turn, list[Figures]] = defaultdict(list)
    finished: dict[_Turn, Sequence[Figures]] = {}
    for line in lines:
        turn = (line.pop("run"), line.pop("of"))
        if "failed" in line:
            measured.pop(turn, None)
        elif "finished" in line:
            finished[turn] = measured.pop(turn, [])
        else:
            measured[turn].append(Figures.from_line(line))
    return finished


def _complete(text: str) -> Iterator[dict[str, Any]]:
    """Of a process that was killed the last line may be half a line."""
    for line in text.splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            yield json.loads(line)
