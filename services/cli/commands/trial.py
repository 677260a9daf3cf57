"""Commands for trying it out: everything in one process, on a database of its own."""
# ruff: noqa: PLC0415 - what a command needs is loaded when it is called, so that --help is quick

from pathlib import Path
from typing import Annotated

import typer

Port = Annotated[int | None, typer.Option(help="Of the API. (default: 8080, or a free one)")]


def demo(
    *,
    exit_after: Annotated[bool, typer.Option("--exit", help="End after the story; status 1 if it went wrong.")] = False,
    port: Port = None,
) -> None:
    """Play the story of a helpdesk and its people on real parts, then stay up to be tried."""
    from services.cli.demo.run import demo as play

    raise typer.Exit(play(ends_after_story=exit_after, port=port))


def dev(
    *,
    state: Annotated[Path, typer.Option(help="Where its data is kept.")] = Path(".run/dev"),
    port: Port = None,
) -> None:
    """Run everything in one process, on a database that is kept, to build an integration against."""
    from services.cli.dev import dev as run

    raise typer.Exit(run(state=state, port=port))
