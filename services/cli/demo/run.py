"""`deskfactor demo`: the story on the embedded shape, then everything stays up for whoever wants to try it."""

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

from rich.console import Console
from rich.panel import Panel

from services.cli.demo.helpdesk import Helpdesk, Unexpected
from services.cli.demo.narrator import ConsoleNarrator
from services.cli.demo.story import STORY, tell
from services.cli.demo.world import World
from services.cli.development import Development, development, private_database
from services.cli.tenants import create_api_key, create_tenant
from services.cli.verification import verify_tenant
from shared.clock import monotonic
from shared.observability.logging import configure_logging
from shared.secret import Secret


def demo(*, ends_after_story: bool, port: int | None = None) -> int:
    """Exit status 0, or 1 when a step was not as expected."""
    started = monotonic()
    console = Console(highlight=False)
    configure_logging("error", service="demo")
    console.print("[bold]Deskfactor[/bold]: a private PostgreSQL, all services, a mailbox and a phone, in one process.")
    with tempfile.TemporaryDirectory(prefix="deskfactor-") as folder:
        state = Path(folder)
        with private_database(state, is_kept=False) as dsn, asyncio.Runner() as runner:
            return runner.run(_play(dsn, state, console, started, port, ends_after_story=ends_after_story))


async def _play(
    dsn: str, state: Path, console: Console, started: float, port: int | None, *, ends_after_story: bool
) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with development(dsn, state, port=port) as running:
        console.print(f"Ready at {running.url} after {monotonic() - started:.1f} s.")
        story_started = monotonic()
        try:
            async with world(running) as story_world:
                await tell(STORY, story_world, ConsoleNarrator(console))
        except Unexpected:
            console.print("\n[red bold]The story did not go as it should.[/red bold]")
            return 1
        console.print(f"\n[bold]All as expected[/bold], in {monotonic() - story_started:.1f} s.")
        if not ends_after_story:
            await _invite(running, console)
            await stop.wait()
            console.print("Stopping.")
    return 0


@contextlib.asynccontextmanager
async def world(running: Development) -> AsyncIterator[World]:
    """A fresh sandbox tenant and all that the story needs."""

    async def verify_audit(tenant_id: UUID) -> int:
        return await verify_tenant(running.dsn, tenant_id, running.key_dir)

    tenant_id = await create_tenant(running.dsn, name="Acme Helpdesk", is_sandbox=True)
    key = await create_api_key(running.dsn, tenant_id, name="demo")
    async with Helpdesk(running.url, key) as helpdesk:
        yield World(
            tenant_id=tenant_id,
            helpdesk=helpdesk,
            mailbox=running.mailbox,
            phones=running.phones,
            verify_audit=verify_audit,
        )


async def _invite(running: Development, console: Console) -> None:
    """A second tenant whose clock was never moved: a real phone's codes fit."""
    tenant_id = await create_tenant(running.dsn, name="Your Helpdesk", is_sandbox=True)
    key: Secret[str] = await create_api_key(running.dsn, tenant_id, name="yours")
    lines = (
        f"API       {running.url}/v1",
        f"Docs      {running.url}/docs",
        f"Key       {key.reveal()}",
        f"Messages  {running.url}/v1/sandbox/messages   (mail and SMS of this tenant, codes in clear)",
        "",
        "Enrol a real phone:",
        f"  curl -X PUT {running.url}/v1/accounts/me -H 'Authorization: Bearer {key.reveal()}' \\",
        """       -H 'Content-Type: application/json' -d '{"role": "agent"}'""",
        f"  curl {running.url}/v1/accounts/me/factors -H 'Authorization: Bearer {key.reveal()}' \\",
        """       -H 'Content-Type: application/json' -H 'Idempotency-Key: 1' -d '{"type": "totp"}'""",
    )
    console.print(Panel("\n".join(lines), title="A sandbox tenant of yours; its clock was never moved", expand=False))
    console.print("Ctrl-C stops everything and leaves nothing behind.")
    sys.stdout.flush()
