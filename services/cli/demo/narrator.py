"""Tells the story: one line a step with its time, details under it, readable at a glance."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Final, Protocol

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from services.cli.demo.drawing import ON_DARK, is_drawn

_INDENT: Final = " " * 6


class Narrator(Protocol):
    """Who hears what happens."""

    def chapter(self, title: str) -> None:
        """A new part begins."""
        ...

    def step(self, title: str, seconds: float, details: Sequence[str]) -> None:
        """A step went as expected."""
        ...

    def failed(self, title: str, seconds: float, reason: str) -> None:
        """A step did not."""
        ...


class ConsoleNarrator:
    """Tells it on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def chapter(self, title: str) -> None:
        """See `Narrator`."""
        self._console.print(f"\n[bold]{escape(title)}[/bold]")

    def step(self, title: str, seconds: float, details: Sequence[str]) -> None:
        """See `Narrator`."""
        self._console.print(f"  [green]✓[/green] {escape(title)} [dim]{_spent(seconds)}[/dim]")
        for line in details:
            self._detail(line)

    def failed(self, title: str, seconds: float, reason: str) -> None:
        """See `Narrator`."""
        self._console.print(f"  [red]✗ {escape(title)}[/red] [dim]{_spent(seconds)}[/dim]")
        self._detail(reason, style="red")

    def _detail(self, line: str, *, style: str = "dim") -> None:
        if is_drawn(line):
            self._console.print(Text.assemble(_INDENT, (line, ON_DARK)))
            return
        width = self._console.width - len(_INDENT)
        for each in [line] if len(line) <= width else wrap(line, width, subsequent_indent="  "):
            self._console.print(Text.assemble(_INDENT, (each, style)))


def _spent(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


class SilentNarrator:
    """For tests: what they need is the exception."""

    def chapter(self, title: str) -> None:
        """See `Narrator`."""

    def step(self, title: str, seconds: float, details: Sequence[str]) -> None:
        """See `Narrator`."""

    def failed(self, title: str, seconds: float, reason: str) -> None:
        """See `Narrator`."""
