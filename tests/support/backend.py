"""What a helpdesk's backend does again and again in tests through HTTP: people, factors, challenges, messages."""

import datetime as dt
import math

from services.cli.demo.helpdesk import Helpdesk, Json
from services.cli.demo.world import Person
from tests.support.eventually import eventually

STEP = dt.timedelta(seconds=30)
SECOND = dt.timedelta(seconds=1)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
OLD_ADDRESS = dt.timedelta(days=8)  # an address that no mailed code has proved serves recovery after seven days

PASSWORD = {"method": "password"}


def path_of(account_id: str, *more: object) -> str:
    """A path below an account."""
    return "/".join(("/v1/accounts", account_id, *map(str, more)))


def instant(text: str) -> dt.datetime:
    """An instant of an answer."""
    return dt.datetime.fromisoformat(text)


async def put(helpdesk: Helpdesk, account_id: str, role: str = "agent", **more: object) -> Person:
    """An account with a verified address; a phone number and the like as given."""
    person = Person(account_id, f"{account_id}@{helpdesk.domain}", "")
    body = {"role": role, "email": person.email, "email_verified": True, **more}
    await helpdesk.call("PUT", path_of(account_id), body)
    return person


async def start(helpdesk: Helpdesk, account_id: str, factor_type: str = "totp", **more: object) -> Json:
    """A pending factor."""
    return await helpdesk.call("POST", path_of(account_id, "factors"), {"type": factor_type, **more}, expect=201)


def confirming(account_id: str, started: Json) -> str:
    """Where a pending factor is proved."""
    return path_of(account_id, "factors", started["factor"]["id"], "confirm")


async def confirm(helpdesk: Helpdesk, account_id: str, started: Json, code: str) -> Json:
    """A pending factor, proved."""
    return await helpdesk.call("POST", confirming(account_id, started), {"code": code})


def app_of(account_id: str, started: Json) -> Person:
    """The authenticator that took the seed."""
    return Person(account_id, "", "", seed=started["totp"]["seed"])


async def add_app(helpdesk: Helpdesk, account_id: str, **more: object) -> tuple[Person, Json]:
    """An active authenticator, and what its confirmation said; the code of the current step is used up."""
    started = await start(helpdesk, account_id, "totp", **more)
    person = app_of(account_id, started)
    confirmed = await confirm(helpdesk, account_id, started, person.totp(helpdesk.now))
    person.backup_codes = list(confirmed.get("backup_codes") or ())
    return person, confirmed


async def add_channel(helpdesk: Helpdesk, account_id: str, factor_type: str, **more: object) -> Json:
    """An active factor of mail or SMS, proved by the code that was sent; what the confirmation said."""
    before = len(await codes(helpdesk, account_id))
    started = await start(helpdesk, account_id, factor_type, **more)
    return await confirm(helpdesk, account_id, started, await code_of(helpdesk, account_id, after=before))


async def challenge_of(helpdesk: Helpdesk, account_id: str, **more: object) -> Json:
    """The challenge of a login that is decided so."""
    login = await helpdesk.login(account_id, **more)
    assert login["decision"] == "challenge", login["decision"]
    challenge: Json = login["challenge"]
    return challenge


def verifying(challenge: Json) -> str:
    """Where an answer to a challenge goes."""
    return f"/v1/challenges/{challenge['id']}/verify"


async def proof_of(helpdesk: Helpdesk, person: Person) -> str:
    """A step-up, passed with the next code of an authenticator."""
    await helpdesk.move_clock(STEP)
    challenge = await challenge_of(helpdesk, person.account_id, purpose="step_up")
    await helpdesk.verify(challenge, code=person.totp(helpdesk.now))
    return str(challenge["id"])


async def to_the_start_of_a_step(helpdesk: Helpdesk) -> None:
    """Move the clock to just after the start of a step: what follows has nearly the whole of it."""
    left = STEP.total_seconds() - helpdesk.now.timestamp() % STEP.total_seconds()
    await helpdesk.move_clock(dt.timedelta(seconds=math.ceil(left)))


async def messages(helpdesk: Helpdesk, account_id: str) -> list[Json]:
    """What an account was sent, oldest first."""
    query = f"/v1/sandbox/messages?limit=100&account_id={account_id}"
    found: list[Json] = (await helpdesk.call("GET", query))["data"]
    return found


async def codes(helpdesk: Helpdesk, account_id: str) -> list[str]:
    """The codes that an account was sent, oldest first."""
    return [message["code"] for message in await messages(helpdesk, account_id) if message["code"]]


async def code_of(helpdesk: Helpdesk, account_id: str, *, after: int = 0) -> str:
    """The newest code of an account, once there are more than `after`."""
    found = await eventually(lambda: codes(helpdesk, account_id), lambda each: len(each) > after)
    return found[-1]


async def told(helpdesk: Helpdesk, account_id: str, notification: str, *, times: int = 1) -> list[Json]:
    """The notices of one kind that an account was sent, once there are that many."""

    async def notices() -> list[Json]:
        return [each for each in await messages(helpdesk, account_id) if each["notification"] == notification]

    return await eventually(notices, lambda found: len(found) >= times)


async def happened(helpdesk: Helpdesk, account_id: str, event_type: str, *, times: int = 1) -> list[Json]:
    """The entries of one type in an account's timeline, once there are that many."""

    async def entries() -> list[Json]:
        timeline = await helpdesk.call("GET", path_of(account_id, "timeline?limit=100"))
        return [entry for entry in timeline["data"] if entry["type"] == event_type]

    return await eventually(entries, lambda found: len(found) >= times)


async def status(helpdesk: Helpdesk, account_id: str) -> Json:
    """How an account stands."""
    return await helpdesk.call("GET", path_of(account_id))


async def require(helpdesk: Helpdesk, **policy: object) -> Json:
    """A policy, whatever becomes of the admins; by default everybody must have a factor."""
    return await helpdesk.call("PUT", "/v1/policy", {"required": {"scope": "all"}, "force": True, **policy})
