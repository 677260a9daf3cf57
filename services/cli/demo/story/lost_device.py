"""Ann lost her device: the waiting period, and what is said in it."""

import datetime as dt
from collections.abc import Sequence

from services.cli.demo.helpdesk import Json
from services.cli.demo.telling import Chapter, Step
from services.cli.demo.world import World, code_in, expect, is_code, when, without_links

HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
AN_OLD_ADDRESS = dt.timedelta(days=8)  # an address serves recovery once it is unchanged for 7 days


async def mailbox_is_proved(world: World) -> Sequence[str]:
    await world.helpdesk.move_clock(AN_OLD_ADDRESS)
    before, texts = len(world.mailbox.messages), len(world.phones.messages)
    recovery = await world.helpdesk.call("POST", "/v1/accounts/ann/recovery", {}, expect=201)
    expect(recovery["state"], "draft", "recovery")
    mail = await world.mail(world.ann, is_code, after=before)
    await world.helpdesk.verify({"id": recovery["challenge_id"]}, code=code_in(mail.subject))
    waiting = await world.until(
        "the recovery waiting", lambda: _recovery(world), lambda seen: seen["state"] == "waiting"
    )
    notice = await world.mail(world.ann, lambda each: not is_code(each), after=before + 1)
    sms = await world.text(world.ann, lambda each: code_in(each.body) == "", after=texts)
    return [
        f"{AN_OLD_ADDRESS.days} days later: an address must be known for 7 days first",
        f"2FA goes off at {when(waiting['ready_at'])}, 24 h from now; Ann is told:",
        f"mail: {notice.subject}",
        f"SMS: {without_links(sms.body.splitlines()[0])}",
    ]


async def she_is_told_again(world: World) -> Sequence[str]:
    told = []
    for later, passed in (("12 h later", 12 * HOUR), ("23 h later", 11 * HOUR)):
        before = len(world.mailbox.messages)
        await world.helpdesk.move_clock(passed)
        mail = await world.mail(world.ann, lambda each: not is_code(each), after=before)
        told.append(f"{later}, mail: {mail.subject}")
    return told


async def a_minute_before(world: World) -> Sequence[str]:
    await world.helpdesk.move_clock(HOUR - MINUTE)
    login = await world.helpdesk.login("ann")
    expect(login["decision"], "challenge", "decision after 23 h 59 min")
    return ["decision challenge: 2FA is still on"]


async def recovery_is_executed(world: World) -> Sequence[str]:
    before = len(world.mailbox.messages)
    await world.helpdesk.move_clock(MINUTE)
    await world.until("the recovery executed", lambda: _recovery(world), lambda seen: seen["state"] == "executed")
    login = await world.helpdesk.login("ann")
    expect(login["decision"], "allow", "decision after 24 h")
    mail = await world.mail(world.ann, lambda each: not is_code(each), after=before)
    return ["decision allow: 2FA is off", f"mail: {mail.subject}"]


async def _recovery(world: World) -> Json:
    return await world.helpdesk.call("GET", "/v1/accounts/ann/recovery")


CHAPTER = Chapter(
    "A lost device",
    (
        Step("Ann proves her mailbox; the waiting period begins", mailbox_is_proved),
        Step("While there is time to cancel, she is told again", she_is_told_again),
        Step("23 h 59 min have passed, she signs in", a_minute_before),
        Step("24 h have passed, she signs in", recovery_is_executed),
    ),
)
