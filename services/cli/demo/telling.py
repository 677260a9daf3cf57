"""Steps, chapters, and how they are played."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from services.cli.demo.helpdesk import Unexpected
from services.cli.demo.narrator import Narrator
from services.cli.demo.world import World
from shared.clock import monotonic

Play = Callable[[World], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Step:
    """A title, and what is done; it returns what it saw, a line each."""

    title: str
    play: Play


@dataclass(frozen=True, slots=True)
class Chapter:
    """Steps that belong together."""

    title: str
    steps: tuple[Step, ...]


async def tell(chapters: Sequence[Chapter], world: World, narrator: Narrator) -> None:
    """Play all steps in order. Raises `Unexpected` at the first that is not as it should be."""
    for chapter in chapters:
        narrator.chapter(chapter.title)
        for step in chapter.steps:
            started = monotonic()
            try:
                details = await step.play(world)
            except Unexpected as error:
                narrator.failed(step.title, monotonic() - started, str(error))
                raise
            narrator.step(step.title, monotonic() - started, details)
