"""A file's lines, as bytes, numbered from 1. However long a line is, only so much of it is held."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

LONGEST_LINE = 64 * 1024  # bytes

_OTHER_ENCODINGS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


class UnreadableFile(Exception):
    """The file as a whole cannot be used; the text says why, and nothing that is in it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank. `text` None: it is too long, or no UTF-8; `reason` says which."""

    number: int
    text: str | None = field(repr=False)
    reason: str | None = None
    end: int = 0  # bytes of the file up to its end


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """Lines without their ends, whatever these are. Raises `UnreadableFile`."""
    end = 0
    for number, (raw, length) in enumerate(_pieces(file), start=1):
        end += length
        if number == 1:
            if raw is not None and raw.startswith(_OTHER_ENCODINGS):
                raise UnreadableFile("the file is not UTF-8")
            raw = raw.removeprefix(codecs.BOM_UTF8) if raw is not None else None  # noqa: PLW2901 - the mark falls away
        line = _line(number, raw, end)
        if line is not None:
            yield line


def _line(number: int, raw: bytes | None, end: int) -> Line | None:
    if raw is None:
        return Line(number, None, "line_too_long", end)
    try:
        text = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return Line(number, None, "not_utf8", end)
    return Line(number, text, end=end) if text.strip() else None


def _pieces(file: BinaryIO) -> Iterator[tuple[bytes | None, int]]:
    """Each line and its length in bytes; None in place of one that is too long."""
    while raw := file.readline(LONGEST_LINE + 1):
        if len(raw) <= LONGEST_LINE or raw.endswith(b"\n"):
            yield raw, len(raw)
            continue
        length = len(raw)
        while not raw.endswith(b"\n") and (raw := file.readline(LONGEST_LINE)):
            length += len(raw)
        yield None, length
