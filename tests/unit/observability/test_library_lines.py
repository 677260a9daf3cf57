"""Lines that libraries log: somebody else's words, which may quote what a person typed."""

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from shared.observability.logging import configure_logging

SECRET = "Authorization: Bearer df_test_canary"

Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What a process with our settings writes; the test run's own logging is put back."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("debug", service="tests", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_neither_words_nor_exceptions_of_a_library_are_written(lines: Lines) -> None:
    """An HTTP parser quotes the header that it cannot read: an API key, for everybody who reads logs."""
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        logging.getLogger("aiohttp.server").error("cannot read %s", SECRET, exc_info=error)
    [line] = lines()
    assert (line["event"], line["library"], line["level"], line["error"]) == (
        "library",
        "aiohttp.server",
        "error",
        "ValueError",
    )
    assert str(line["place"]).startswith("test_library_lines:")
    assert "canary" not in json.dumps(line)


def test_a_line_without_an_exception_says_who_and_where(lines: Lines) -> None:
    """Somebody has to find out; the words are in the library's source at that line."""
    logging.getLogger("asyncio").warning("slow: %s", SECRET)
    [line] = lines()
    assert (line["library"], line["level"]) == ("asyncio", "warning")
    assert "error" not in line
    assert "canary" not in json.dumps(line)


def test_our_own_exceptions_are_written_without_their_text(lines: Lines) -> None:
    """`log.exception` adds the traceback by itself, and with it the text."""
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        structlog.get_logger().exception("failed", error=error)
    [line] = lines()
    assert line["error"] == "ValueError"
    assert "exc_info" not in line
    assert "canary" not in json.dumps(line)
