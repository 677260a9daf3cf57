"""Log lines: what could be a person's secret is withheld, and an exception has no text."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.observability.logging import configure_logging
from shared.secret import Secret

CODE = "493027"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What a service of that name writes at the lowest level."""
    handlers, level = logging.root.handlers[:], logging.root.level
    before = structlog.get_config()
    written = io.StringIO()
    configure_logging("debug", service="test", stream=written)
    yield written
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """What was written, a line each."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    "key", ["code", "seed", "token", "key", "password", "secret", "destination", "email", "phone", "to"]
)
def test_a_key_that_could_hold_a_secret_is_withheld(stream: io.StringIO, key: str) -> None:
    """The last line of defence, for the day on which somebody forgets the first."""
    structlog.get_logger().info("said", **{key: CODE}, lane="policy.commands")
    [line] = lines(stream)
    assert line[key] == "<withheld>"
    assert (line["event"], line["lane"], line["service"], line["level"]) == ("said", "policy.commands", "test", "info")


def test_a_secret_under_any_name_is_not_shown(stream: io.StringIO) -> None:
    """Inside of other values, too."""
    structlog.get_logger().info("said", given=Secret(CODE), more=[Secret(CODE)])
    assert CODE not in stream.getvalue()
    assert "<secret>" in stream.getvalue()


def _raise() -> None:
    raise ValueError(f"Key (email)=({CODE}) already exists")


@pytest.mark.parametrize("how", ["error", "exception", "exception alone", "stack_info"])
def test_an_exception_is_its_class_and_place_never_its_text(stream: io.StringIO, how: str) -> None:
    """A driver quotes the row that it could not write, with the address in it."""
    log = structlog.get_logger()
    try:
        _raise()
    except ValueError as error:
        match how:
            case "error":
                log.error("failed", error=error)
            case "exception":
                log.exception("failed", error=error)
            case "exception alone":
                log.exception("failed")
            case _:
                log.error("failed", error=error, stack_info=True)
    [line] = lines(stream)
    assert line["error"] == "ValueError"
    assert line["at"][-1].startswith("test_logging.py:")
    assert CODE not in stream.getvalue()


def test_what_a_library_says_is_who_and_where(stream: io.StringIO) -> None:
    """An HTTP parser quotes the header that it could not read; the event loop prints what a task died of."""
    try:
        _raise()
    except ValueError:
        logging.getLogger("asyncio").exception("Task died: %s", CODE)
    logging.getLogger("aiormq").warning(CODE)
    [line] = lines(stream)
    assert (line["library"], line["error"]) == ("asyncio", "ValueError")
    assert CODE not in stream.getvalue()


def test_on_a_terminal_it_is_the_same_with_colours(capsys: pytest.CaptureFixture[str]) -> None:
    """A renderer for people prints tracebacks, with the values of all variables, unless it is given none."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    before, handlers = structlog.get_config(), logging.root.handlers[:]
    terminal = Terminal()
    try:
        configure_logging("info", service="test", stream=terminal)
        try:
            _raise()
        except ValueError:
            structlog.get_logger().exception("failed", code=CODE)
    finally:
        structlog.configure(**before)
        structlog.contextvars.clear_contextvars()
        logging.root.handlers[:] = handlers
    assert "failed" in terminal.getvalue()
    assert CODE not in terminal.getvalue()


def test_below_its_level_nothing_is_written(stream: io.StringIO) -> None:
    """Levels are an operator's way to quiet."""
    configure_logging("warning", service="test", stream=stream)
    structlog.get_logger().info("said")
    assert stream.getvalue() == ""
