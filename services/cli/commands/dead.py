"""``deskfactor dead …``: messages that were set aside."""
# ruff: noqa: PLC0415 - what a command needs is loaded when it is called, so that --help is quick

import asyncio
import dataclasses
from typing import Annotated
from uuid import UUID

import typer

from services.cli.commands.output import Json, Status, leave, say, say_json, say_table

dead = typer.Typer(no_args_is_help=True, help="Dead letters: messages that could not be handled.")

LaneName = Annotated[str, typer.Argument(help="The lane on which it died.", show_default=False)]
MessageId = Annotated[UUID, typer.Argument(help="The message's id.", show_default=False)]


@dead.command("list")
def list_letters(
    *,
    lane: Annotated[str | None, typer.Option(help="Of this lane only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: Json = False,
) -> None:
    """List letters that wait for a decision, newest first."""
    from services.cli import dead_letters
    from services.cli.settings import database_url

    letters = asyncio.run(dead_letters.list_letters(database_url(), lane=lane, limit=limit))
    if as_json:
        say_json([dataclasses.asdict(letter) for letter in letters])
    else:
        say_table(
            ("lane", "message", "type", "reason", "attempts", "first seen"),
            [
                (each.lane, each.message_id, each.message_type, each.reason, each.attempts, each.first_seen_at)
                for each in letters
            ],
        )


@dead.command("show")
def show_letter(lane: LaneName, message_id: MessageId) -> None:
    """Show a letter as JSON, without what is sealed in it."""
    from services.cli import dead_letters
    from services.cli.settings import database_url

    opened = asyncio.run(dead_letters.open_letter(database_url(), lane, message_id))
    if opened is None:
        say("There is no such letter.")
        leave(Status.FOUND)
        return
    say_json(dataclasses.asdict(opened.letter) | {"size": opened.size, "content": opened.content})


@dead.command("replay")
def replay_letter(lane: LaneName, message_id: MessageId) -> None:
    """Put a letter back on its lane. Safe: what was handled already is not handled again."""
    from services.cli import dead_letters
    from services.cli.settings import database_url

    _tell(asyncio.run(dead_letters.replay(database_url(), lane, message_id)), "goes back to its lane")


@dead.command("discard")
def discard_letter(lane: LaneName, message_id: MessageId) -> None:
    """Give a letter up. It stays to be seen with `show`."""
    from services.cli import dead_letters
    from services.cli.settings import database_url

    _tell(asyncio.run(dead_letters.discard(database_url(), lane, message_id)), "is given up")


def _tell(is_done: bool, what: str) -> None:  # noqa: FBT001 - the answer as it came
    say(f"The letter {what}." if is_done else "There is no such letter that waits for a decision.")
    if not is_done:
        leave(Status.FOUND)
