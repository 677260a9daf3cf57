"""How a run shows itself: a bar on a terminal, plain lines elsewhere; both on stderr, for stdout has the figures."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

Show = Callable[[int, str], None]
"""How many cases are done, and what is done now."""


@contextlib.contextmanager
def showing(total: int) -> Iterator[Show]:
    """For so many cases."""
    if not sys.stderr.isatty():
        yield lambda done, text: print(f"{done} of {total}: {text}", file=sys.stderr, flush=True)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting PostgreSQL and RabbitMQ", total=total)
        yield lambda done, text: bar.update(task, completed=done, description=text)
