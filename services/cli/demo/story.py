"""The story itself, as a table of steps. Each does one thing through HTTP and says what it saw."""

import datetime as dt
import io
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import segno

from services.cli.demo.helpdesk import Json, Unexpected
from services.cli.demo.narrator import Narrator
from services.cli.demo.world import Person, World, expect
from services.cli.simulators.received_mail import ReceivedMail
from shared.clock import monotonic

STEP = dt.timedelta(seconds=30)  # of TOTP: a step's code is good once
DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)

Play = Callable[[World], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Step:
    """A title, and what is done."""

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


# --- enrolment --------------------------------------------------------------------------------------------------------


async def accounts_are_known(world: World) -> Sequence[str]:
    for person, role in ((world.ann, "agent"), (world.ben, "agent"), (world.cleo, "customer"), (world.root, "admin")):
        await _put_account(world, person, role)
    found = await world.helpdesk.call("GET", "/v1/accounts")
    expect(len(found["data"]), 4, "accounts")
    return [f"{account['account_id']}, {account['role']}, {account['email']}" for account in found["data"]]


async def ann_enrols(world: World) -> Sequence[str]:
    answer = await world.helpdesk.call(
        "POST", "/v1/accounts/ann/factors", {"type": "totp", "name": "Phone"}, expect=201
    )
    world.ann.seed = answer["totp"]["seed"].replace(" ", "")
    drawing = io.StringIO()
    segno.make(answer["totp"]["uri"], error="l").terminal(drawing, compact=True, border=1)
    factor = answer["factor"]["id"]
    code = world.ann.totp(world.helpdesk.now)
    confirmed = await world.helpdesk.call("POST", f"/v1/accounts/ann/factors/{factor}/confirm", {"code": code})
    expect(confirmed["factor"]["state"], "active", "factor")
    world.ann.backup_codes = list(confirmed["backup_codes"])
    return re.sub(r"\x1b\[[0-9;]*m", "", drawing.getvalue()).splitlines()


async def backup_codes_are_shown(world: World) -> Sequence[str]:
    expect(len(set(world.ann.backup_codes)), 10, "backup codes")
    shown = world.ann.backup_codes
    return [f"{left}   {right}" for left, right in zip(shown[:5], shown[5:], strict=True)]


# --- a login ----------------------------------------------------------------------------------------------------------


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
    claims = await world.helpdesk.check_assertion(verified["assertion"], account_id="ann", challenge_id=challenge["id"])
    return [
        "decision challenge; a wrong code: 4 attempts left; the right one: verified",
        f"assertion checked against the JWKS: sub {claims['sub']}, amr {' '.join(claims['amr'])}",
    ]


async def same_code_again(world: World) -> Sequence[str]:
    login = await world.helpdesk.login("ann")
    code = world.ann.totp(world.helpdesk.now)
    refusal = await world.helpdesk.refused("POST", _verify(login["challenge"]), {"code": code}, "code_already_used")
    return [str(refusal["title"])]


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
    return [f"trusted until {_when(trusted['expires_at'])}; the next login: allow, amr trusted_device"]


async def code_by_mail(world: World) -> Sequence[str]:
    await _enrol_by_code(world, world.ben, "email")
    before = len(world.mailbox.messages)
    login = await world.helpdesk.login("ben")
    mail = await world.mail(world.ben, _is_code, after=before)
    verified = await world.helpdesk.verify(login["challenge"], code=_code_in(mail.subject))
    expect(verified["method"], "email", "method")
    return [f"mail: {mail.subject}", "verified, amr " + " ".join(verified["amr"])]


async def code_by_sms(world: World) -> Sequence[str]:
    await _enrol_by_code(world, world.cleo, "sms")
    before = len(world.phones.messages)
    login = await world.helpdesk.login("cleo")
    sms = await world.text(world.cleo, lambda each: _code_in(each.body) != "", after=before)
    verified = await world.helpdesk.verify(login["challenge"], code=_code_in(sms.body))
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


# --- a lost device ----------------------------------------------------------------------------------------------------


async def mailbox_is_proved(world: World) -> Sequence[str]:
    await world.helpdesk.move_clock(8 * DAY)  # an address serves recovery once it is unchanged for 7 days
    before, texts = len(world.mailbox.messages), len(world.phones.messages)
    recovery = await world.helpdesk.call("POST", "/v1/accounts/ann/recovery", {}, expect=201)
    expect(recovery["state"], "draft", "recovery")
    mail = await world.mail(world.ann, _is_code, after=before)
    await world.helpdesk.verify({"id": recovery["challenge_id"]}, code=_code_in(mail.subject))
    waiting = await world.until(
        "the recovery waiting", lambda: _recovery(world), lambda seen: seen["state"] == "waiting"
    )
    notice = await world.mail(world.ann, lambda each: not _is_code(each), after=before + 1)
    sms = await world.text(world.ann, lambda each: _code_in(each.body) == "", after=texts)
    return [
        f"2FA goes off at {_when(waiting['ready_at'])}, 24 h from now",
        f"notice by mail: {notice.subject}",
        f"notice by SMS: {sms.body.splitlines()[0]}",
    ]


async def a_minute_before(world: World) -> Sequence[str]:
    await world.helpdesk.move_clock(DAY - MINUTE)
    login = await world.helpdesk.login("ann")
    expect(login["decision"], "challenge", "decision after 23 h 59 min")
    return ["23 h 59 min later: decision challenge, 2FA is still on"]


async def recovery_is_executed(world: World) -> Sequence[str]:
    before = len(world.mailbox.messages)
    await world.helpdesk.move_clock(MINUTE)
    await world.until("the recovery executed", lambda: _recovery(world), lambda seen: seen["state"] == "executed")
    login = await world.helpdesk.login("ann")
    expect(login["decision"], "allow", "decision after 24 h")
    mail = await world.mail(world.ann, lambda each: not _is_code(each), after=before)
    told = [each.subject for each in world.mailbox.messages if each.to == world.ann.email and not _is_code(each)]
    return ["24 h: decision allow, 2FA is off", f"told by mail: {mail.subject}", f"notices so far: {len(told)}"]


# --- policy -----------------------------------------------------------------------------------------------------------


async def policy_requires(world: World) -> Sequence[str]:
    await _put_account(world, world.dan, "agent")
    before = len(world.mailbox.messages)
    policy = {"required": {"scope": "roles", "roles": ["agent"]}, "grace_days": 7}
    await world.helpdesk.call("PUT", "/v1/policy", policy)
    mail = await world.mail(world.dan, lambda each: not _is_code(each), after=before)
    login = await world.helpdesk.login("dan")
    expect(login["decision"], "enrol_optional", "decision in the grace period")
    return [f"mail to dan: {mail.subject}", f"decision enrol_optional until {_when(login['deadline'])}"]


async def reminders_come(world: World) -> Sequence[str]:
    told = []
    for passed in (4 * DAY, 2 * DAY, DAY - dt.timedelta(hours=1)):
        before = len(world.mailbox.messages)
        await world.helpdesk.move_clock(passed)
        mail = await world.mail(world.dan, lambda each: not _is_code(each), after=before)
        told.append(f"mail: {mail.subject}")
    return told


async def deadline_passes(world: World) -> Sequence[str]:
    await world.helpdesk.move_clock(dt.timedelta(hours=1, seconds=5))
    login = await world.helpdesk.login("dan")
    expect(login["decision"], "locked_out", "decision after 7 days")

    async def account() -> Json:
        return await world.helpdesk.call("GET", "/v1/accounts/dan/timeline")

    await world.until(
        "the lock announced",
        account,
        lambda seen: any(entry["type"] == "enforcement.locked_out" for entry in seen["data"]),
    )
    return ["7 days: decision locked_out; event enforcement.locked_out"]


async def admin_unlocks(world: World) -> Sequence[str]:
    body = {"actor": "root", "reason": "Back from leave", "hours": 24}
    await world.helpdesk.call("POST", "/v1/accounts/dan/unlock", body)
    login = await world.helpdesk.login("dan")
    expect(login["decision"], "enrol_optional", "decision after the unlock")
    return [f"unlocked by root; decision enrol_optional until {_when(login['deadline'])}"]


# --- afterwards -------------------------------------------------------------------------------------------------------


async def timeline_tells(world: World) -> Sequence[str]:
    page = await world.helpdesk.call("GET", "/v1/accounts/dan/timeline")
    entries = page["data"]
    for wanted in ("enforcement.started", "enforcement.reminded", "enforcement.locked_out", "enforcement.unlocked"):
        expect(wanted in {entry["type"] for entry in entries}, wanted=True, what=f"{wanted} in the timeline")
    shown = [entry for entry in entries if entry["type"].startswith("enforcement.")]
    return [f"{_when(entry['at'])}  {entry['type']:<26} {entry.get('summary', '')}".rstrip() for entry in shown]


async def chain_is_whole(world: World) -> Sequence[str]:
    count = await world.verify_audit(world.tenant_id)
    return [f"{count} entries, each with the hash of the one before: nothing edited, nothing missing"]


STORY = (
    Chapter(
        "An authenticator",
        (
            Step("The helpdesk tells us its accounts", accounts_are_known),
            Step("Ann enrols an authenticator and proves it with a code", ann_enrols),
            Step("Ten backup codes, shown once", backup_codes_are_shown),
        ),
    ),
    Chapter(
        "Signing in",
        (
            Step("Login, a wrong code, the right code", wrong_then_right),
            Step("The same code again is refused", same_code_again),
            Step("Ann trusts her device and signs in again", device_is_trusted),
            Step("Ben signs in with a mailed code", code_by_mail),
            Step("Cleo signs in with an SMS code", code_by_sms),
            Step("A backup code works once", backup_code_once),
        ),
    ),
    Chapter(
        "A lost device",
        (
            Step("Ann proves her mailbox; the waiting period begins", mailbox_is_proved),
            Step("A minute before its end", a_minute_before),
            Step("The waiting period is over", recovery_is_executed),
        ),
    ),
    Chapter(
        "A policy",
        (
            Step("Agents must have 2FA within 7 days", policy_requires),
            Step("Reminders", reminders_come),
            Step("The deadline passes", deadline_passes),
            Step("An admin unlocks", admin_unlocks),
        ),
    ),
    Chapter(
        "Afterwards",
        (
            Step("Dan's timeline", timeline_tells),
            Step("The audit chain is verified", chain_is_whole),
        ),
    ),
)


async def _put_account(world: World, person: Person, role: str) -> None:
    body = {"role": role, "email": person.email, "email_verified": True, "phone": person.phone}
    await world.helpdesk.call("PUT", f"/v1/accounts/{person.account_id}", body)


async def _enrol_by_code(world: World, person: Person, channel: str) -> None:
    """Enrol a mailbox or a phone as the first factor: the code that comes back proves it."""
    path = f"/v1/accounts/{person.account_id}/factors"
    destination = person.email if channel == "email" else person.phone
    mails, texts = len(world.mailbox.messages), len(world.phones.messages)
    answer = await world.helpdesk.call("POST", path, {"type": channel, "destination": destination}, expect=201)
    if channel == "email":
        code = _code_in((await world.mail(person, _is_code, after=mails)).subject)
    else:
        code = _code_in((await world.text(person, lambda each: _code_in(each.body) != "", after=texts)).body)
    confirmed = await world.helpdesk.call("POST", f"{path}/{answer['factor']['id']}/confirm", {"code": code})
    expect(confirmed["factor"]["state"], "active", "factor")


async def _recovery(world: World) -> Json:
    return await world.helpdesk.call("GET", "/v1/accounts/ann/recovery")


def _verify(challenge: Json) -> str:
    return f"/v1/challenges/{challenge['id']}/verify"


def _code_in(text: str) -> str:
    found = re.search(r"\b(\d{6})\b", text)
    return found[1] if found else ""


def _is_code(mail: ReceivedMail) -> bool:
    return _code_in(mail.subject) != ""


def _when(instant: str) -> str:
    return dt.datetime.fromisoformat(instant).strftime("%a %d %b %H:%M")
