"""``deskfactor bench``: what a login costs on this machine."""
# ruff: noqa: PLC0415 - what a command needs is loaded when it is called, so that --help is quick

from pathlib import Path
from typing import Annotated

import typer

from services.cli.commands.output import Status, leave

CASES = "verify, login, mailed_code, fairness, timers, audit, growth, memory, scale_out; peer with --dir"
"""Written out here, because whoever asks for help may not have the benchmark; a test compares."""


def bench(
    cases: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CASE]...", help=f"Of these: {CASES}. (default: all)", show_default=False),
    ] = None,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A fiftieth of each: whether it works, not how fast.")] = False,
    runs: Annotated[int, typer.Option(min=1, max=20, help="How often everything is measured.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="A file for the lines of JSON. (default: stdout)", dir_okay=False, writable=True),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Do not measure again what is in that file.")] = False,
    page: Annotated[
        Path | None,
        typer.Option(help="Write the table, and all figures, as Markdown.", dir_okay=False, writable=True),
    ] = None,
    scripts: Annotated[
        Path | None,
        typer.Option("--dir", help="Scripts that set up and measure privacyIDEA: the case `peer` is there, too."),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Where they install it, and it stays. (default: a temporary folder)")
    ] = None,
) -> None:
    """Measure rates, latencies and CPU on servers of its own, and check every answer. Needs the source tree.

    Exit status 0: every target was reached; 1: some were not; 2 and 3: it could not run.
    """
    from services.cli.benchmark import PeerPlace, load_benchmark

    peer = PeerPlace(scripts=scripts, state=state) if scripts is not None else None
    is_reached = load_benchmark().bench(
        cases or [], is_quick=quick, runs=runs, out=out, page=page, peer=peer, is_resumed=resume
    )
    if not is_reached:
        leave(Status.FOUND)
