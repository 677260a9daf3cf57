"""structlog: one canonical line a message and a request; JSON when nobody watches, colours on a terminal."""

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import TextIO

import structlog

_FORBIDDEN = frozenset({"code", "seed", "token", "key", "password", "secret", "destination", "email", "phone", "to"})
"""Keys whose values are never written, whatever they hold: the last line of defence, not the first."""


def configure_logging(level: str, *, service: str, stream: TextIO = sys.stderr, keeps_loggers: bool = False) -> None:
    """Set up structlog for the process. ``keeps_loggers``: it is not set up anew, so a logger is made up once only."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if stream.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            withhold,
            describe_exception,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=stream),
        cache_logger_on_first_use=keeps_loggers,
    )
    structlog.contextvars.bind_contextvars(service=service)
    for library in ("aiormq", "aio_pika"):  # at DEBUG they print bodies; what happens to a link we log ourselves
        logging.getLogger(library).setLevel(logging.CRITICAL)
    logging.basicConfig(handlers=[_OfLibraries()], level=logging.WARNING, force=True)


class _OfLibraries(logging.Handler):
    """What a library logs, as one of our lines: who, where, and the class of the exception.

    Never its words: an HTTP parser quotes the header that it could not read, with the API key in it, and a driver the
    row that it could not write.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line."""
        structlog.get_logger().log(
            record.levelno,
            "library",
            library=record.name,
            place=f"{record.module}:{record.lineno}",
            error=record.exc_info[1] if record.exc_info else None,
        )


def withhold(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> Mapping[str, object] | str | bytes | bytearray | tuple[object, ...]:
    """Replace the values of keys that could hold a person's secret."""
    for key in _FORBIDDEN & event.keys():
        event[key] = "<withheld>"
    return event


def describe_exception(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> Mapping[str, object] | str | bytes | bytearray | tuple[object, ...]:
    """An exception as its class and where it was raised. Never its text: a driver's may quote a row or an address.

    Nor as ``exc_info``, of which a renderer would write the text, and the values of every frame.
    """
    event.pop("stack_info", None)
    match event.pop("exc_info", None):
        case BaseException() as raised:
            event.setdefault("error", raised)
        case (_, BaseException() as raised, _):
            event.setdefault("error", raised)
        case asked if asked:
            event.setdefault("error", sys.exception())
        case _:
            pass
    error = event.get("error")
    if error is None:
        event.pop("error", None)
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)
        event["error"] = type(error).__name__
        event["at"] = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames[-6:]]
    return event
