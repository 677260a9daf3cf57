"""The main job, end to end: the same story that `make demo` tells."""

import pytest

from services.cli.demo.narrator import SilentNarrator
from services.cli.demo.story.contents import STORY
from services.cli.demo.telling import tell
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance


async def test_the_story_goes_as_told(stack: Stack) -> None:
    """Every step on real parts, each service its own process: what a new user sees first must be true."""
    async with open_world(stack) as world:
        await tell(STORY, world, SilentNarrator())
