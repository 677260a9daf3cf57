"""How commands speak: sentences and tables for people, one JSON document for machines, an exit status for scripts."""
# ruff: noqa: PLC0415 - a table's library costs more than most commands

import datetime as dt
import enum
import json
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer

_ID_WIDTH = 36  # characters of a UUID
_NOBODYS_SCREEN = 10_000  # characters: what is piped is a line a row

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


class Status(enum.IntEnum):
    """Exit statuses."""

    DONE = 0
    FOUND = 1  # done, and what was looked at is not as it should be
    USAGE = 2  # not done: the command line or the settings cannot be used
    UNAVAILABLE = 3  # not done: a server does not answer


def say(text: str) -> None:
    """A sentence for people."""
    typer.echo(text)


def say_json(document: object) -> None:
    """A document for machines."""
    typer.echo(json.dumps(document, default=_plain, indent=2))


def say_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for place, heading in enumerate(headings):
        is_id = all(isinstance(row[place], UUID) for row in rows)  # whole, for it is there to be copied
        table.add_column(heading, overflow="fold", no_wrap=is_id, min_width=_ID_WIDTH if is_id and rows else None)
    for row in rows:
        table.add_row(*("" if cell is None else str(_plain(cell)) for cell in row))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _NOBODYS_SCREEN
    console.print(table)


def leave(status: Status) -> None:
    """End the command with this status."""
    raise typer.Exit(status)


def _plain(value: object) -> object:
    match value:
        case dt.datetime():
            return value.isoformat(timespec="seconds")
        case UUID() | str() | int():
            return str(value)
        case _:
            raise TypeError(type(value).__name__)
