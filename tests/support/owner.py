"""One account of a sandbox tenant and the person behind it: apps, messages, a lost device, the helpdesk's news."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

import pyotp

from services.cli.demo.helpdesk import Helpdesk, Json
from shared.ids import new_id
from tests.support.eventually import eventually

STEP = dt.timedelta(seconds=30)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
SETTLED = 8 * DAY  # an address serves recovery once it is unchanged for 7 days
NUMBER = "+447700900123"


def instant(text: str) -> dt.datetime:
    """An instant of the API."""
    return dt.datetime.fromisoformat(text)


@dataclass(slots=True)
class Owner:
    """A person, what they hold, and the backend that asks for them. Messages are read in the sandbox, by account: mail
    of other tests is nobody's business here.
    """

    helpdesk: Helpdesk
    account_id: str = "ann"
    seeds: dict[str, str] = field(default_factory=dict, repr=False)
    backup_codes: list[str] = field(default_factory=list, repr=False)

    @property
    def path(self) -> str:
        """The account in the API."""
        return f"/v1/accounts/{self.account_id}"

    @property
    def email(self) -> str:
        """The address that the account is made with."""
        return f"{self.account_id}@{self.helpdesk.domain}"

    async def put(self, **given: object) -> Json:
        """An agent with a verified address and a phone, unless said otherwise."""
        body: Json = {"role": "agent", "email": self.email, "email_verified": True, "phone": NUMBER}
        return await self.helpdesk.call("PUT", self.path, body | given)

    async def change(self, **given: object) -> Json:
        """Just these fields."""
        return await self.helpdesk.call("PUT", self.path, given)

    async def status(self) -> Json:
        """The account with all that holds it back."""
        return await self.helpdesk.call("GET", self.path)

    async def enforcement(self) -> str:
        """Where it stands."""
        return str((await self.status())["enforcement"]["state"])

    async def begin(self, **more: object) -> str:
        """A pending authenticator; its id."""
        made = await self.helpdesk.call("POST", f"{self.path}/factors", {"type": "totp", **more}, expect=201)
        factor_id = str(made["factor"]["id"])
        self.seeds[factor_id] = str(made["totp"]["seed"]).replace(" ", "")
        return factor_id

    async def confirm(self, factor_id: str) -> Json:
        """With the code that the app shows now."""
        path = f"{self.path}/factors/{factor_id}/confirm"
        confirmed = await self.helpdesk.call("POST", path, {"code": self.code(factor_id)})
        self.backup_codes = list(confirmed.get("backup_codes") or self.backup_codes)
        return confirmed

    async def enrol(self, **more: object) -> str:
        """An active authenticator; the code of the current step is used up."""
        factor_id = await self.begin(**more)
        await self.confirm(factor_id)
        return factor_id

    def code(self, factor_id: str, at: dt.datetime | None = None) -> str:
        """What the app shows (RFC 6238)."""
        return pyotp.TOTP(self.seeds[factor_id]).at(at or self.helpdesk.now)

    async def challenge(self, **more: object) -> Json:
        """That of a login with the right password."""
        login = await self.helpdesk.login(self.account_id, **more)
        assert login["decision"] == "challenge", login
        found: Json = login["challenge"]
        return found

    async def sign_in(self, factor_id: str, **more: object) -> Json:
        """With the code of a step that was not used yet."""
        await self.helpdesk.move_clock(2 * STEP)  # past what the clocks of two machines differ by
        answer = {"factor_id": factor_id, "code": self.code(factor_id)}
        return await self.helpdesk.verify(await self.challenge(), **answer, **more)

    async def decision(self) -> str:
        """Of a login with the right password."""
        return str((await self.helpdesk.login(self.account_id))["decision"])

    async def proof(self) -> str:
        """A step-up, passed with a backup code."""
        challenge = await self.challenge(purpose="step_up")
        await self.helpdesk.verify(challenge, backup_code=self.backup_codes.pop())
        return str(challenge["id"])

    async def messages(self) -> list[Json]:
        """What the person was sent so far, in the order in which it was queued."""
        path = f"/v1/sandbox/messages?account_id={self.account_id}&limit=100"
        return list((await self.helpdesk.call("GET", path))["data"])

    async def message(self, is_it: Callable[[Json], bool], *, but: list[Json] | None = None) -> Json:
        """Wait for a message that was not there before: the newest such one."""
        old = {each["id"] for each in but or []}

        async def fitting() -> list[Json]:
            return [each for each in await self.messages() if each["id"] not in old and is_it(each)]

        return (await eventually(fitting, bool))[-1]

    async def notice(self, notification: str, *, channel: str = "email", but: list[Json] | None = None) -> Json:
        """Wait for this notice."""
        return await self.message(
            lambda each: (each["notification"], each["channel"]) == (notification, channel), but=but
        )

    async def recovery(self) -> Json:
        """The newest request."""
        return await self.helpdesk.call("GET", f"{self.path}/recovery")

    async def recovery_in(self, state: str) -> Json:
        """Wait until it is in that state."""
        return await eventually(self.recovery, lambda seen: bool(seen["state"] == state))

    async def lose_device(self) -> Json:
        """Ask for a recovery and prove the mailbox, which must have settled; the request as it waits. Returns when the
        first notice is on the person's phone: what nobody has heard of would wait longer.
        """
        before = await self.messages()
        asked = await self.helpdesk.call("POST", f"{self.path}/recovery", {}, expect=201)
        mail = await self.message(lambda each: bool(each["code"]), but=before)
        await self.helpdesk.verify({"id": asked["challenge_id"]}, code=mail["code"])
        waiting = await self.recovery_in("waiting")
        await self.notice("recovery_waiting", channel="sms", but=before)
        return waiting

    async def wait_out_recovery(self) -> Json:
        """Move the clock until it is executed. It may wait a day longer where the news of a notice came late."""
        request = await self.recovery()
        for _ in range(4):
            left = max(instant(request["ready_at"]) - self.helpdesk.now, dt.timedelta()) + dt.timedelta(seconds=5)
            await self.helpdesk.move_clock(left)
            request = await self._after(request)
            if request["state"] != "waiting":
                break
        return request

    async def _after(self, request: Json) -> Json:
        """The request when it is over, or waits longer than before."""
        return await eventually(
            self.recovery,
            lambda seen: bool(seen["state"] != "waiting" or seen["ready_at"] != request["ready_at"]),
        )

    async def tell(self, kind: str, **data: object) -> None:
        """The helpdesk hands in an event about the account; it takes effect later."""
        event = {"specversion": "1.0", "id": str(new_id()), "source": "/helpdesk", "type": f"account.{kind}"}
        body = event | {"subject": self.account_id, "data": data}
        await self.helpdesk.call("POST", "/v1/events", body, expect=202)

    async def timeline(self) -> list[Json]:
        """What happened to the account, newest first."""
        return list((await self.helpdesk.call("GET", f"{self.path}/timeline?limit=100"))["data"])

    def wrong_codes(self, count: int) -> list[str]:
        """Codes that none of the apps shows around now: not even the hint about a clock fits them."""
        apps = [pyotp.TOTP(seed) for seed in self.seeds.values()]
        near = {app.at(self.helpdesk.now, counter_offset=offset) for app in apps for offset in range(-20, 21)}
        far = (f"{number:06}" for number in range(271_828, 1_000_000))
        return [code for _, code in zip(range(count), (code for code in far if code not in near), strict=False)]
