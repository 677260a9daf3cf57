"""``deskfactor audit …``."""
# ruff: noqa: PLC0415 - what a command needs is loaded when it is called, so that --help is quick

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from services.cli.commands.output import Json, Status, leave, say, say_json

if TYPE_CHECKING:
    from services.audit.verification import Report
    from services.cli.verification import Verification

SHOWN_FINDINGS = 20

audit = typer.Typer(no_args_is_help=True, help="The audit log.")


@audit.callback()
def _group() -> None:
    """Keeps `verify` a command of a group although it is the only one."""


@audit.command("verify")
def verify(
    *,
    tenant: Annotated[UUID | None, typer.Option(help="Of this tenant only. (default: every chain)")] = None,
    head: Annotated[
        Path | None, typer.Option(help="A head that was kept elsewhere, JSON: proves that no tail was cut off.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read chains from their first entry to their last and find edits, gaps and, against a kept head, a cut tail.

    Exit status 0: nothing found; 1: something was.
    """
    from services.cli import verification as acts
    from services.cli.settings import operator_settings

    settings = operator_settings()
    kept = acts.read_head(head) if head is not None else None
    if kept is not None and tenant is not None and kept.tenant_id != tenant:
        raise typer.BadParameter(f"{head} is a head of tenant {kept.tenant_id}")
    found = asyncio.run(
        acts.verify(settings.database_url.get_secret_value(), key_dir=settings.key_dir, tenant_id=tenant, head=kept)
    )
    if as_json:
        say_json(
            {
                "is_intact": found.is_intact,
                "with_ring": found.with_ring,
                "chains": [acts.as_json(report) for report in found.reports],
            }
        )
    else:
        _tell(found)
    if not found.is_intact:
        leave(Status.FOUND)


def _tell(found: "Verification") -> None:
    for report in found.reports:
        _tell_chain(report)
    if not found.reports:
        say("There is no chain yet.")
    if not found.with_ring:
        say("Signatures were checked with the database's own copy of the public keys: no ring sign.audit is here.")


def _tell_chain(report: "Report") -> None:
    from services.cli.verification import describe

    name = "system" if report.tenant_id.int == 0 else str(report.tenant_id)
    state = "intact" if report.is_intact else f"{report.found} found"
    erased = report.entries - report.payloads
    say(f"{name}: {report.entries} entries, {state}" + (f", {erased} payloads erased" if erased else ""))
    for finding in report.findings[:SHOWN_FINDINGS]:
        say(f"  {describe(finding)}")
    if report.found > SHOWN_FINDINGS:
        say(f"  and {report.found - SHOWN_FINDINGS} more")
    if report.proved_seq is None:
        say("  tail not provable: give a head that was kept elsewhere (--head)")
    else:
        say(f"  nothing was cut off up to entry {report.proved_seq}" if report.is_intact else "  see above")
