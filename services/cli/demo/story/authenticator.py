"""Ann gets a second factor."""

from collections.abc import Sequence

from services.cli.demo.drawing import draw_qr
from services.cli.demo.telling import Chapter, Step
from services.cli.demo.world import World, expect


async def ann_enrols(world: World) -> Sequence[str]:
    answer = await world.helpdesk.call(
        "POST", "/v1/accounts/ann/factors", {"type": "totp", "name": "Phone"}, expect=201
    )
    world.ann.seed = answer["totp"]["seed"].replace(" ", "")
    factor = answer["factor"]["id"]
    code = world.ann.totp(world.helpdesk.now)
    confirmed = await world.helpdesk.call("POST", f"/v1/accounts/ann/factors/{factor}/confirm", {"code": code})
    expect(confirmed["factor"]["state"], "active", "factor")
    world.ann.backup_codes = list(confirmed["backup_codes"])
    return draw_qr(answer["totp"]["uri"])


async def backup_codes_are_shown(world: World) -> Sequence[str]:
    expect(len(set(world.ann.backup_codes)), 10, "backup codes")
    shown = world.ann.backup_codes
    return [f"{left}   {right}" for left, right in zip(shown[:5], shown[5:], strict=True)]


CHAPTER = Chapter(
    "An authenticator",
    (
        Step("Ann scans this, and proves it with a code of her app", ann_enrols),
        Step("Ten backup codes come with it, shown once", backup_codes_are_shown),
    ),
)
