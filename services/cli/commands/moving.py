"""``deskfactor import`` and ``export``: people move in and out with the second factors that they have."""
# ruff: noqa: PLC0415 - what a command needs is loaded when it is called, so that --help is quick

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from services.cli.commands.output import Json, Status, leave, say, say_json

if TYPE_CHECKING:
    from services.cli.moving.importing import Progress

SHOWN_FAULTS = 20

Tenant = Annotated[UUID, typer.Option("--tenant", help="The tenant's id.", show_default=False)]


def import_accounts(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, JSON lines, or an export.", show_default=False, exists=True, dir_okay=False, readable=True
        ),
    ],
    *,
    tenant: Tenant,
    kind: Annotated[
        str | None, typer.Option("--format", help="csv, jsonl or export. (default: by the file's name)")
    ] = None,
    identity: Annotated[
        Path | None, typer.Option(help="The tenant's key, age: opens a file of `deskfactor export`.", dir_okay=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge every line and change nothing.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Where to write what was refused and why, as CSV.", dir_okay=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Take over accounts, their factors and the hashes of their backup codes (docs/import.md). Safe to repeat.

    Exit status 0: everything; 1: some lines were refused; 2 and 3: it could not run, or not to its end.
    """
    from services.cli.moving import importing
    from services.cli.moving.formats import Source, format_of
    from services.cli.moving.showing import open_report, showing
    from services.cli.settings import operator_settings
    from shared.observability.logging import configure_logging

    configure_logging("error", service="import")
    settings, source = operator_settings(), Source(path=file, kind=format_of(file, kind), identity=identity)
    act = importing.check_file if dry_run else importing.import_file
    with open_report(report, shown=SHOWN_FAULTS) as refused, showing(file.stat().st_size) as tell:
        done = asyncio.run(act(settings, tenant, source, report=refused, tell=tell))
    if as_json:
        say_json(importing.as_json(done, is_dry_run=dry_run))
    else:
        _tell(done, report, is_dry_run=dry_run)
    if done.refused:
        leave(Status.FOUND)


def _tell(done: "Progress", report: Path | None, *, is_dry_run: bool) -> None:
    if is_dry_run:
        say(f"{done.lines} lines, {done.accounts} good, {done.refused} not. Nothing was changed.")
        return
    say(f"{done.lines} lines: {done.accounts} accounts taken over, {done.refused} refused in whole or in part.")
    say(f"{done.factors} factors and {done.backup_codes} backup codes are new, {done.known} were there before.")
    if done.refused and report is None:
        say("With --report FILE every reason is written down.")


def export_tenant(
    *,
    tenant: Tenant,
    recipient: Annotated[str, typer.Option(help="The tenant's public key of age, age1….", show_default=False)],
    out: Annotated[Path, typer.Option(help="The file to be written; it must not be there.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, for the audit log.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Write a copy of a tenant's accounts, policy, factors and backup codes that only the tenant can open."""
    from services.cli.moving import exporting
    from services.cli.moving.showing import counting
    from services.cli.settings import operator_settings
    from shared.observability.logging import configure_logging

    if out.exists():
        raise typer.BadParameter(f"{out} is there already")
    if not 1 <= len(reason) <= 500 or not reason.isprintable():  # noqa: PLR2004 - as everywhere
        raise typer.BadParameter("a reason has 1 to 500 characters on one line")
    configure_logging("error", service="export")
    with counting("accounts") as tell:
        done = asyncio.run(
            exporting.export_tenant(
                operator_settings(), tenant, recipient=recipient, path=out, reason=reason, tell=tell
            )
        )
    if as_json:
        say_json({"accounts": done.accounts, "members": len(done.members) + 1, "file": str(out)})
    else:
        say(f"{done.accounts} accounts are in {out}, which only the key's owner can open.")
