"""``deskfactor tenants broker-user``: a tenant's own access to the broker."""
# ruff: noqa: PLC0415 - what a command needs is loaded when it is called, so that --help is quick

import asyncio
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from services.cli.commands.output import Json, say, say_json

if TYPE_CHECKING:
    from services.cli.broker_access import Access

_REMOVED = "is gone, with its queue and what was in it."
_KEEP = "Keep it now: nobody can show it again."


def broker_access(
    tenant_id: Annotated[UUID, typer.Argument(help="The tenant's id.", show_default=False)],
    *,
    rotate: Annotated[bool, typer.Option("--rotate", help="Give it another password.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="End it, and delete its queue.")] = False,
    as_json: Json = False,
) -> None:
    """Let a tenant publish its events on RabbitMQ and read its own there. Safe to repeat.

    Uses the broker's management API (DESKFACTOR_RABBITMQ_MANAGEMENT_URL), else prints what to type at the broker.
    """
    from services.cli import broker_access as acts
    from services.cli.settings import broker_access_settings

    if rotate and remove:
        raise typer.BadParameter("--rotate and --remove exclude each other")
    settings = broker_access_settings()
    if remove:
        access = asyncio.run(acts.revoke_access(settings, tenant_id))
    else:
        access = asyncio.run(acts.grant_access(settings, tenant_id, is_rotated=rotate))
    if as_json:
        say_json(_document(access))
    else:
        _tell(access, is_removed=remove)


def _document(access: "Access") -> dict[str, object]:
    return {
        "username": access.username,
        "password": access.password.reveal() if access.password else "",
        "vhost": access.vhost,
        "exchange": access.exchange,
        "queue": access.queue,
        "commands": list(access.commands),
    }


def _tell(access: "Access", *, is_removed: bool) -> None:
    if access.commands:
        typer.echo("To be typed at the broker, by whoever may:", err=True)
    for command in access.commands:
        say(command)
    if is_removed:
        typer.echo(f"{access.username} {_REMOVED}" if not access.commands else "Its queue is gone.", err=True)
        return
    say(f"virtual host: {access.vhost}")
    say(f"publishes to: {access.exchange}, with user_id {access.username}")
    say(f"reads from:   {access.queue}")
    say(f"username:     {access.username}")
    if access.password:
        say(f"password:     {access.password.reveal()}")
        typer.echo(_KEEP, err=True)
    else:
        say("password:     as before; --rotate makes another")
