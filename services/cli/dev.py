"""`deskfactor dev`: everything in one process until Ctrl-C, on a database that is there again the next time."""

import asyncio
from pathlib import Path

from rich.console import Console

from services.cli.development import PrivateDatabase, development, kept_database
from services.cli.interruption import run_on
from services.cli.invitation import NAME, sandbox_key, show_addresses
from shared.clock import monotonic
from shared.observability.logging import configure_logging


def dev(*, state: Path, port: int | None = None) -> int:
    """Exit status 0, or 130 when it was interrupted before it was ready."""
    started = monotonic()
    console = Console(highlight=False)
    configure_logging("error", service="dev")

    async def play(database: PrivateDatabase, stop: asyncio.Event) -> int:
        async with development(database, port=port) as running:
            key = await sandbox_key(running.dsn, name="dev")
            console.print(f"Ready at {running.url} after {monotonic() - started:.1f} s; described at /docs there.")
            console.print(f"Data is kept in {database.folder}; remove it to begin anew.", soft_wrap=True)
            console.print(f"\nThe sandbox tenant {NAME} has a new key; earlier ones still work:\n")
            show_addresses(console, running, key)
            console.print("\nMail and SMS, with their codes: [cyan]api GET sandbox/messages[/cyan]. Ctrl-C ends it.")
            await stop.wait()
            console.print("Stopping.")
        return 0

    return run_on(kept_database(state), play)
