"""A long command says how far it is: a bar where somebody looks on, lines where a file is written."""

import io
import sys

import pytest

from services.cli.moving.importing import Progress
from services.cli.moving.showing import showing


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand people take minutes: whoever waits must see that it goes on, and what was refused."""
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with showing(200) as tell:
        tell(Progress(size=200, lines=7, end=100, refused=2))
    shown = terminal.getvalue()
    assert "7 lines, 2 refused" in shown
    assert "50%" in shown


def test_a_file_gets_a_line_every_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of carriage returns is read by nobody."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    with showing(200) as tell:
        for lines in range(998, 1002):
            tell(Progress(size=200, lines=lines, end=100, refused=1))
    assert written.getvalue() == "1000 lines (50 %), 1 refused\n"
