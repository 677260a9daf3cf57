"""CSV and JSON lines: the members of each line."""

import csv
import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from services.cli.moving.archives import read_archive, read_identity
from services.cli.moving.faults import Fault
from services.cli.moving.lines import Line, UnreadableFile, read_lines
from services.cli.moving.records import COLUMNS, SEVERAL, Record, read_json, read_record

_BAR = "|"

Parse = Callable[[str], Mapping[str, object] | Fault]


class Format(enum.StrEnum):
    """How a file is written."""

    CSV = "csv"
    JSONL = "jsonl"
    EXPORT = "export"  # a tar archive of `deskfactor export`


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line and what it holds, or what is wrong with it."""

    number: int
    end: int  # bytes of the file up to its end
    raw: str = field(repr=False)
    found: Record | list[Fault] = field(repr=False)


def format_of(path: Path, named: str | None) -> Format:
    """By name, else by the file's ending. Raises `UnreadableFile`."""
    ending = (named or path.suffix.removeprefix(".")).lower()
    match ending:
        case "csv":
            return Format.CSV
        case "jsonl" | "ndjson":
            return Format.JSONL
        case "export" | "tar":
            return Format.EXPORT
        case _:
            raise UnreadableFile("say how the file is written: --format csv, jsonl or export")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file, how it is written, and, of an export, where the key is that opens it."""

    path: Path
    kind: Format
    identity: Path | None = None

    def entries(self) -> Iterator[Entry]:
        """Every line of accounts. Raises `UnreadableFile`, also for a file without one."""
        if self.kind is Format.EXPORT:
            if self.identity is None:
                raise UnreadableFile("an export is opened with its tenant's key: --identity FILE")
            yield from entries_of(read_archive(self.path, read_identity(self.identity)), read_json)
            return
        with self.path.open("rb") as file:
            yield from read_entries(file, self.kind)


def read_entries(file: BinaryIO, kind: Format) -> Iterator[Entry]:
    """The lines of a file of CSV or JSON lines. Raises `UnreadableFile`."""
    lines = read_lines(file)
    yield from entries_of(lines, read_json if kind is Format.JSONL else _csv_parser(next(lines, None)))


def entries_of(lines: Iterator[Line], parse: Parse) -> Iterator[Entry]:
    """Each line with what it holds. Raises `UnreadableFile` when there is none."""
    is_empty = True
    for line in lines:
        is_empty = False
        yield _entry(line, parse)
    if is_empty:
        raise UnreadableFile("the file has no accounts in it")


def _entry(line: Line, parse: Parse) -> Entry:
    if line.text is None:
        return Entry(number=line.number, end=line.end, raw="", found=[Fault("", line.reason or "")])
    members = parse(line.text)
    found = [members] if isinstance(members, Fault) else read_record(members)
    return Entry(number=line.number, end=line.end, raw=line.text, found=found)


def _csv_parser(first: Line | None) -> Parse:
    """Reads the lines below this heading. A column that we do not know may hold what must not be printed."""
    if first is None:
        raise UnreadableFile("the file is empty")
    names = [name.strip().lower() for name in _cells(first.text or "") or ()]
    unknown = [str(place) for place, name in enumerate(names, start=1) if name not in COLUMNS]
    if unknown:
        raise UnreadableFile(f"the first line names the columns; unknown: number {', '.join(unknown)}")
    if "account_id" not in names or len(set(names)) != len(names):
        raise UnreadableFile("the first line names each column once, account_id among them")

    def parse(text: str) -> Mapping[str, object] | Fault:
        cells = _cells(text)
        if cells is None:
            return Fault("", "csv_malformed")
        if len(cells) != len(names):
            return Fault("", "columns_count")
        return {name: _value(name, cell) for name, cell in zip(names, cells, strict=True) if cell.strip()}

    return parse


def _cells(text: str) -> list[str] | None:
    """RFC 4180, but a record is one line: a quote that was never closed must not swallow the file."""
    try:
        [cells] = csv.reader([text], strict=True)
    except (csv.Error, ValueError):
        return None
    return cells


def _value(name: str, cell: str) -> object:
    """What is not in the cell is not given: the account keeps it."""
    if name not in SEVERAL:
        return cell.strip()
    return [each.strip() for each in cell.split(_BAR) if each.strip()]
