"""What is remembered, and proved."""

from collections.abc import Sequence

from services.cli.demo.helpdesk import Json
from services.cli.demo.telling import Chapter, Step
from services.cli.demo.world import World, when

_WANTED = {"enforcement.started", "enforcement.reminded", "enforcement.locked_out", "enforcement.unlocked"}


async def timeline_tells(world: World) -> Sequence[str]:
    seen = await world.until("all of it in the timeline", lambda: _timeline(world), _is_whole)
    shown = [entry for entry in reversed(seen["data"]) if entry["type"].startswith("enforcement.")]
    return [f"{when(entry['at'])}  {entry['summary']}" for entry in shown]


async def _timeline(world: World) -> Json:
    return await world.helpdesk.call("GET", "/v1/accounts/dan/timeline")


def _is_whole(timeline: Json) -> bool:
    return {entry["type"] for entry in timeline["data"]} >= _WANTED


async def chain_is_whole(world: World) -> Sequence[str]:
    count = await world.verify_audit(world.tenant_id)
    return [f"{count} entries, each with the hash of the one before: none edited, none missing"]


CHAPTER = Chapter(
    "Afterwards",
    (
        Step("What happened to Dan's account", timeline_tells),
        Step("The audit chain is verified", chain_is_whole),
    ),
)
