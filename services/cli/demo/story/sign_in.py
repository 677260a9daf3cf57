"""Signing in: with an authenticator, a trusted device, a mailed code, an SMS, a backup code."""

import datetime as dt
from collections.abc import Sequence

from services.cli.demo.helpdesk import Json
from services.cli.demo.telling import Chapter, Step
from services.cli.demo.world import Person, World, code_in, expect, is_code, when

STEP = dt.timedelta(seconds=30)  # of TOTP: a step's code is good once


async def wrong_then_right(world: World) -> Sequence[str]:
    await world.helpdesk.move_clock(STEP)  # the code of the enrolment counts as used
    login = await world.helpdesk.login("ann")
    expect(login["decision"], "challenge", "decision")
    challenge = login["challenge"]
    right = world.ann.totp(world.helpdesk.now)
    wrong = f"{(int(right) + 271_828) % 1_000_000:06}"
    refusal = await world.helpdesk.refused("POST", _verify(challenge), {"code": wrong}, "code_wrong")
    expect(refusal["attempts_left"], 4, "attempts left")
    verified = await world.helpdesk.verify(challenge, code=right)
    world.ann.typed = right
    claims = await world.helpdesk.check_assertion(verified["assertion"], account_id="ann", challenge_id=challenge["id"])
    return [
        "decision challenge; a wrong code: 4 attempts left; the right one: verified",
        f"assertion checked against the JWKS: sub {claims['sub']}, amr {' '.join(claims['amr'])}",
    ]


async def same_code_again(world: World) -> Sequence[str]:
    login = await world.helpdesk.login("ann")
    code = world.ann.typed  # not what the app shows by now: a step may have ended meanwhile
    await world.helpdesk.refused("POST", _verify(login["challenge"]), {"code": code}, "code_already_used")
    return ["code_already_used"]


async def device_is_trusted(world: World) -> Sequence[str]:
    await world.helpdesk.move_clock(STEP)
    login = await world.helpdesk.login("ann", context={"user_agent": "Firefox on Linux"})
    code = world.ann.totp(world.helpdesk.now)
    verified = await world.helpdesk.verify(login["challenge"], code=code, trust_device=True)
    trusted = verified["trusted_device"]
    again = await world.helpdesk.login("ann", trusted_device_token=trusted["token"])
    expect(again["decision"], "allow", "decision with the trusted device")
    claims = await world.helpdesk.check_assertion(again["assertion"], account_id="ann", challenge_id=None)
    expect(claims["amr"], ["trusted_device"], "amr")
    return [f"trusted until {when(trusted['expires_at'])}", "the next login: decision allow, amr trusted_device"]


async def code_by_mail(world: World) -> Sequence[str]:
    await _enrol_by_code(world, world.ben, "email")
    before = len(world.mailbox.messages)
    login = await world.helpdesk.login("ben")
    mail = await world.mail(world.ben, is_code, after=before)
    verified = await world.helpdesk.verify(login["challenge"], code=code_in(mail.subject))
    expect(verified["method"], "email", "method")
    return [f"mail: {mail.subject}", "verified, amr " + " ".join(verified["amr"])]


async def code_by_sms(world: World) -> Sequence[str]:
    await _enrol_by_code(world, world.cleo, "sms")
    before = len(world.phones.messages)
    login = await world.helpdesk.login("cleo")
    sms = await world.text(world.cleo, lambda each: code_in(each.body) != "", after=before)
    verified = await world.helpdesk.verify(login["challenge"], code=code_in(sms.body))
    expect(verified["method"], "sms", "method")

    async def status() -> Json:
        return await world.helpdesk.call("GET", f"/v1/challenges/{login['challenge']['id']}")

    await world.until(
        "a delivery receipt", status, lambda seen: [d["state"] for d in seen["deliveries"]] == ["delivered"]
    )
    return [*(f"SMS: {line}" for line in sms.body.splitlines() if line), "verified; receipt: delivered"]


async def backup_code_once(world: World) -> Sequence[str]:
    code = world.ann.backup_codes[0]
    login = await world.helpdesk.login("ann")
    verified = await world.helpdesk.verify(login["challenge"], backup_code=code)
    expect(verified["backup_codes_left"], 9, "backup codes left")
    login = await world.helpdesk.login("ann")
    await world.helpdesk.refused("POST", _verify(login["challenge"]), {"backup_code": code}, "code_already_used")
    return ["accepted once, 9 left; the second time: code_already_used"]


async def _enrol_by_code(world: World, person: Person, channel: str) -> None:
    """Enrol a mailbox or a phone as the first factor: the code that comes back proves it."""
    path = f"/v1/accounts/{person.account_id}/factors"
    destination = person.email if channel == "email" else person.phone
    mails, texts = len(world.mailbox.messages), len(world.phones.messages)
    answer = await world.helpdesk.call("POST", path, {"type": channel, "destination": destination}, expect=201)
    if channel == "email":
        code = code_in((await world.mail(person, is_code, after=mails)).subject)
    else:
        code = code_in((await world.text(person, lambda each: code_in(each.body) != "", after=texts)).body)
    confirmed = await world.helpdesk.call("POST", f"{path}/{answer['factor']['id']}/confirm", {"code": code})
    expect(confirmed["factor"]["state"], "active", "factor")


def _verify(challenge: Json) -> str:
    return f"/v1/challenges/{challenge['id']}/verify"


CHAPTER = Chapter(
    "Signing in",
    (
        Step("Ann signs in: a wrong code, then the right one", wrong_then_right),
        Step("The same code again is refused", same_code_again),
        Step("Ann trusts her device and signs in again", device_is_trusted),
        Step("Ben signs in with a mailed code", code_by_mail),
        Step("Cleo signs in with an SMS code", code_by_sms),
        Step("A backup code of Ann's works once", backup_code_once),
    ),
)
