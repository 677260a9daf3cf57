"""`deskfactor demo`: the story on the embedded shape, then everything stays up for whoever wants to try it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

from rich.console import Console

from services.cli.demo.helpdesk import Helpdesk, Unexpected
from services.cli.demo.narrator import ConsoleNarrator
from services.cli.demo.story.contents import STORY
from services.cli.demo.telling import tell
from services.cli.demo.world import World
from services.cli.development import Development, PrivateDatabase, development, throwaway_database
from services.cli.interruption import run_on, unless
from services.cli.invitation import sandbox_key, show_enrolment
from services.cli.tenants import create_api_key, create_tenant
from services.cli.verification import verify_tenant
from shared.clock import monotonic
from shared.observability.logging import configure_logging


def demo(*, ends_after_story: bool, port: int | None = None) -> int:
    """Exit status 0, or 1 when a step was not as expected, or 130 when it was interrupted before its end."""
    started = monotonic()
    console = Console(highlight=False)
    configure_logging("error", service="demo")
    console.print("[bold]Deskfactor[/bold]: a private PostgreSQL, every service, mail and SMS, in one process.")

    async def play(database: PrivateDatabase, stop: asyncio.Event) -> int:
        async with development(database, port=port) as running:
            console.print(f"Ready at {running.url} after {monotonic() - started:.1f} s.")
            if not await unless(stop, _tell(running, console)):
                return 1
            if not ends_after_story:
                await unless(stop, _invite(running, console))
                await stop.wait()
                console.print("Stopping.")
        return 0

    return run_on(throwaway_database(), play)


async def _tell(running: Development, console: Console) -> bool:
    """Whether all went as expected."""
    started = monotonic()
    async with world(running) as story_world:
        try:
            await tell(STORY, story_world, ConsoleNarrator(console))
        except Unexpected:  # the narrator said what
            console.print("\n[red bold]The story did not go as it should.[/red bold]")
            return False
    console.print(f"\n[bold]All as expected[/bold], in {monotonic() - started:.1f} s.")
    return True


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
    """A second tenant, whose clock was never moved: the codes of a real phone fit."""
    await show_enrolment(console, running, await sandbox_key(running.dsn, name="demo"))
    console.print(f"\nEverything else is described at {running.url}/docs.")
    console.print("Ctrl-C stops everything and leaves nothing behind.")
