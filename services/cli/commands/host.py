"""Commands about this host and its servers: ``migrate``, ``keyring``, ``topology``, ``serve``, and the documents."""
# ruff: noqa: PLC0415 - what a command needs is loaded when it is called, so that --help is quick

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.commands.output import Json, Status, leave, say, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.messaging.rabbitmq.declare import Difference

keyring = typer.Typer(no_args_is_help=True, help="Key rings.")
topology = typer.Typer(no_args_is_help=True, help="Queues and exchanges on the broker.")


def migrate(
    *,
    role_passwords: Annotated[
        Path | None,
        typer.Option(help="A folder with a file for each role that shall log in, named after it, its password inside."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring the database up to date. Safe to run at any time, by many at once."""
    from services.cli.migration import migrate_database
    from services.cli.settings import database_url

    done = asyncio.run(migrate_database(database_url(), role_passwords=role_passwords))
    if as_json:
        say_json({"applied": done.applied, "roles": done.roles})
        return
    say(f"Applied {', '.join(done.applied)}." if done.applied else "The database is up to date.")
    if done.roles:
        say(f"May log in: {', '.join(done.roles)}.")


@keyring.callback()
def _group() -> None:
    """Keeps `init` a command of a group although it is the only one."""


@keyring.command("init")
def init_rings(
    folder: Annotated[Path, typer.Argument(help="Where the rings are to be.", show_default=False)],
    *,
    as_json: Json = False,
) -> None:
    """Make the key rings that are missing. Those that are there stay as they are."""
    from shared.crypto.keyring import create_rings

    made = create_rings(folder)
    if as_json:
        say_json({"made": made})
    else:
        say(f"Made {', '.join(made)}. Keep a copy: what they sealed is lost with them." if made else "All are there.")


@topology.command("apply")
def apply_topology(*, as_json: Json = False) -> None:
    """Make what is missing on the broker; nothing is changed or deleted. Exit status 1: something could not be made."""
    from services.cli.settings import broker_urls
    from shared.messaging.rabbitmq import declare

    _tell(asyncio.run(declare.apply(broker_urls())), "could not be made right", as_json=as_json)


@topology.command("diff")
def compare_topology(*, as_json: Json = False) -> None:
    """Compare the broker with the table of lanes. Exit status 1: there is a difference."""
    from services.cli.settings import broker_urls
    from shared.messaging.rabbitmq import declare

    _tell(asyncio.run(declare.diff(broker_urls())), "not as it should be", as_json=as_json)


def _tell(differences: "Sequence[Difference]", what: str, *, as_json: bool) -> None:
    if as_json:
        say_json([{"name": each.name, "fault": each.fault.value} for each in differences])
    else:
        for each in differences:
            say(f"{each.name}: {what}: {each.fault.value}")
        if not differences:
            say("The broker is as the table of lanes says.")
    if differences:
        leave(Status.FOUND)


def openapi() -> None:
    """Print the OpenAPI document of the HTTP API."""
    from services.cli.api_document import api_document

    say_json(api_document())


def asyncapi() -> None:
    """Print the AsyncAPI document of the events."""
    from services.cli.api_document import asyncapi_document

    say_json(asyncapi_document())


def serve(
    service: Annotated[
        str, typer.Argument(help="gateway, otp_worker, policy, timers, notifier, audit; or all in one process.")
    ],
) -> None:
    """Run a service, or all of them, until SIGTERM or Ctrl-C."""
    from services.cli import serving

    known = [each.value for each in serving.Service]
    if service not in known:
        raise typer.BadParameter(f"there is {', '.join(known)}")
    serving.serve(serving.Service(service))
