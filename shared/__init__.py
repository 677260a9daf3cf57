"""What the services share: contracts, rules, messaging, storage, keys. Nothing here knows a service."""

import sys


def _import_structlog_plain() -> None:
    """Import structlog before anybody else does, and without `rich`.

    It takes that along where it finds it, to paint tracebacks, which we never write (`shared.observability.logging`):
    80 modules and 4.7 MiB of every process.

    Whoever wants to paint, like the command line, finds `rich` as ever.
    """
    if "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment] # the import system's word for "not there" (reference, 5.3.1)
    try:
        import structlog  # noqa: F401, PLC0415 - here and not above: what is imported depends on it
    finally:
        del sys.modules["rich"]


_import_structlog_plain()
