"""Tells the story: one line a step with its time, details under it, readable at a glance."""

from collections.abc import Sequence
from typing import Protocol

from rich.console import Console
from rich.markup import escape


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
        self._console.print(f"  [green]✓[/green] {escape(title)} [dim]{seconds * 1000:.0f} ms[/dim]")
        for line in details:
            self._console.print(f"      {escape(line)}", style="dim" if "█" not in line else "", highlight=False)

    def failed(self, title: str, seconds: float, reason: str) -> None:
        """See `Narrator`."""
        self._console.print(f"  [red]✗ {escape(title)}[/red] [dim]{seconds * 1000:.0f} ms[/dim]")
        self._console.print(f"      [red]{escape(reason)}[/red]")


class SilentNarrator:
    """For tests: what they need is the exception."""

    def chapter(self, title: str) -> None:
        """See `Narrator`."""

    def step(self, title: str, seconds: float, details: Sequence[str]) -> None:
        """See `Narrator`."""

    def failed(self, title: str, seconds: float, reason: str) -> None:
        """See `Narrator`."""
