"""How a long command shows itself: a bar on a terminal, plain lines elsewhere; what was refused goes to a file."""

import contextlib
import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from services.cli.moving.faults import Fault
from services.cli.moving.importing import Progress, Report, Tell
from shared.private_files import for_the_owner

_EVERY = 1_000  # lines of the file between two lines of ours
_HEADINGS = ("line", "field", "reason", "explanation")


@contextlib.contextmanager
def showing(size: int) -> Iterator[Tell]:
    """What progress is told to; ``size`` of the file in bytes."""
    if not sys.stderr.isatty():
        yield _tell_plainly
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("0 lines", total=max(size, 1))

        def tell(progress: Progress) -> None:
            bar.update(task, completed=progress.end, description=f"{progress.lines} lines, {progress.refused} refused")

        yield tell


@contextlib.contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """What a growing number is told to; nobody knows yet how many there will be."""
    if not sys.stderr.isatty():
        yield lambda number: typer.echo(f"{number} {what}", err=True) if number % _EVERY == 0 else None
        return
    with Console(stderr=True).status(f"0 {what}") as status:
        yield lambda number: status.update(f"{number} {what}")


def _tell_plainly(progress: Progress) -> None:
    if progress.lines % _EVERY == 0:
        percent = 100 * progress.end // max(progress.size, 1)
        typer.echo(f"{progress.lines} lines ({percent} %), {progress.refused} refused", err=True)


@contextlib.contextmanager
def open_report(path: Path | None, *, shown: int) -> Iterator[Report]:
    """What faults are told to: a file that only its owner reads, or, the first ``shown`` of them, the terminal."""
    if path is None:
        yield _teller(shown)
        return
    with open(path, "w", newline="", encoding="utf-8", opener=for_the_owner) as file:
        writer = csv.writer(file)
        writer.writerow(_HEADINGS)
        yield lambda line, fault: writer.writerow((line, fault.field, fault.reason, fault.sentence))


def _teller(shown: int) -> Callable[[int, Fault], None]:
    left = shown

    def tell(line: int, fault: Fault) -> None:
        nonlocal left
        if left > 0:
            where = f"line {line}, {fault.field}" if fault.field else f"line {line}"
            typer.echo(f"{where}: {fault.sentence} ({fault.reason})", err=True)
        elif left == 0:
            typer.echo("and more", err=True)
        left -= 1

    return tell
