"""The helpdesk requires 2FA: Dan is reminded, locked out, unlocked."""

import datetime as dt
from collections.abc import Sequence

from services.cli.demo.helpdesk import Json
from services.cli.demo.telling import Chapter, Step
from services.cli.demo.world import World, expect, is_code, when

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


async def policy_requires(world: World) -> Sequence[str]:
    await world.put_account(world.dan, "agent")
    before = len(world.mailbox.messages)
    policy = {"required": {"scope": "roles", "roles": ["agent"]}, "grace_days": 7}
    await world.helpdesk.call("PUT", "/v1/policy", policy)
    mail = await world.mail(world.dan, lambda each: not is_code(each), after=before)
    login = await world.helpdesk.login("dan")
    expect(login["decision"], "enrol_optional", "decision in the grace period")
    return [f"mail to Dan: {mail.subject}", f"decision enrol_optional until {when(login['deadline'])}"]


async def reminders_come(world: World) -> Sequence[str]:
    told = []
    for passed in (4 * DAY, 2 * DAY, DAY - HOUR):
        before = len(world.mailbox.messages)
        await world.helpdesk.move_clock(passed)
        mail = await world.mail(world.dan, lambda each: not is_code(each), after=before)
        told.append(f"mail: {mail.subject}")
    return told


async def deadline_passes(world: World) -> Sequence[str]:
    await world.helpdesk.move_clock(HOUR + dt.timedelta(seconds=5))
    login = await world.helpdesk.login("dan")
    expect(login["decision"], "locked_out", "decision after 7 days")

    async def timeline() -> Json:
        return await world.helpdesk.call("GET", "/v1/accounts/dan/timeline")

    await world.until(
        "the lock announced",
        timeline,
        lambda seen: any(entry["type"] == "enforcement.locked_out" for entry in seen["data"]),
    )
    return ["decision locked_out; event enforcement.locked_out"]


async def admin_unlocks(world: World) -> Sequence[str]:
    body = {"actor": "root", "reason": "Back from leave", "hours": 24}
    await world.helpdesk.call("POST", "/v1/accounts/dan/unlock", body)
    login = await world.helpdesk.login("dan")
    expect(login["decision"], "enrol_optional", "decision after the unlock")
    return [f"decision enrol_optional until {when(login['deadline'])}"]


CHAPTER = Chapter(
    "A policy",
    (
        Step("Agents must have 2FA within 7 days; Dan has none", policy_requires),
        Step("Dan is reminded", reminders_come),
        Step("The 7 days have passed, Dan signs in", deadline_passes),
        Step("An admin unlocks him for a day", admin_unlocks),
    ),
)
