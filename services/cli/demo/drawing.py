"""QR codes in a terminal."""

import io
import re
from typing import Final

import segno

ON_DARK: Final = "bright_white on black"  # as a scanner wants it, whatever the terminal's own colours
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_BLOCKS = frozenset("█▀▄ ")


def draw_qr(text: str) -> list[str]:
    """Lines of half blocks, light where the code is light: to be shown light on dark."""
    drawing = io.StringIO()
    segno.make(text, error="l").terminal(drawing, compact=True, border=2)
    return _COLOURS.sub("", drawing.getvalue()).splitlines()


def is_drawn(line: str) -> bool:
    """Whether a line is one of a drawing."""
    return bool(line) and set(line) <= _BLOCKS
