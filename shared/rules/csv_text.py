"""Lists as CSV (RFC 4180), safe to open in a spreadsheet."""

from collections.abc import Iterable

_ACTIVE_CONTENT = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def line(cells: Iterable[str]) -> str:
    """A record of CSV with its line break (RFC 4180, 2)."""
    return ",".join(map(cell, cells)) + "\r\n"


def cell(text: str) -> str:
    """A field that a spreadsheet takes for text: an id like ``-2+3`` or ``=cmd|…`` is not to be computed.

    An apostrophe in front is how spreadsheets themselves mark a text; it is the only thing that is ever added.
    """
    harmless = f"'{text}" if text.startswith(_ACTIVE_CONTENT) else text
    if any(special in harmless for special in ',"\r\n'):
        return '"' + harmless.replace('"', '""') + '"'
    return harmless
