"""What the story has at hand: a helpdesk's backend, people with an authenticator, a mailbox and a phone, a clock."""

import asyncio
import datetime as dt
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import pyotp

from services.cli.demo.helpdesk import Helpdesk, Json, Unexpected
from services.cli.simulators.mailbox import Mailbox
from services.cli.simulators.received_mail import ReceivedMail
from services.cli.simulators.twilio import ReceivedSms, TwilioSimulator
from shared.clock import monotonic

PATIENCE: Final = 30.0  # seconds for what happens by itself, on a machine that has much else to do
_POLL: Final = 0.05  # seconds
_CODE = re.compile(r"\b(\d{6})\b")
_LINK = re.compile(r"https?://\S+")


@dataclass(slots=True)
class Person:
    """An account's owner. The seed is the authenticator's, the codes are on paper."""

    account_id: str
    email: str
    phone: str
    seed: str = field(default="", repr=False)
    backup_codes: list[str] = field(default_factory=list, repr=False)
    typed: str = field(default="", repr=False)  # the last code that was right

    def totp(self, now: dt.datetime) -> str:
        """What the authenticator shows (RFC 6238)."""
        return pyotp.TOTP(self.seed).at(now)


@dataclass(slots=True)
class World:
    """One tenant, its people, and how they are reached."""

    tenant_id: UUID
    helpdesk: Helpdesk
    mailbox: Mailbox
    phones: TwilioSimulator
    verify_audit: Callable[[UUID], Awaitable[int]]
    first_number: int = 123  # of +447700900000 to …999, which are nobody's (Ofcom's numbers for drama)
    ann: Person = field(init=False)
    ben: Person = field(init=False)
    cleo: Person = field(init=False)
    dan: Person = field(init=False)
    root: Person = field(init=False)

    def __post_init__(self) -> None:
        """Give everybody a mailbox and a phone."""
        self.ann, self.ben, self.cleo, self.dan, self.root = (
            Person(name, f"{name}@{self.helpdesk.domain}", f"+447700900{number:03}")
            for number, name in enumerate(("ann", "ben", "cleo", "dan", "root"), start=self.first_number)
        )

    async def put_account(self, person: Person, role: str) -> None:
        """The helpdesk sends an account."""
        body = {"role": role, "email": person.email, "email_verified": True, "phone": person.phone}
        await self.helpdesk.call("PUT", f"/v1/accounts/{person.account_id}", body)

    async def mail(self, person: Person, says: Callable[[ReceivedMail], bool], *, after: int = 0) -> ReceivedMail:
        """Wait for a mail to a person, newer than the first ``after`` of the mailbox."""
        old = {id(each) for each in self.mailbox.messages[:after]}
        try:
            return await self.mailbox.wait_for(
                lambda mail: mail.to == person.email and id(mail) not in old and says(mail), PATIENCE
            )
        except TimeoutError:
            raise Unexpected(f"no such mail came to {person.account_id}") from None

    async def text(self, person: Person, says: Callable[[ReceivedSms], bool], *, after: int = 0) -> ReceivedSms:
        """Wait for an SMS to a person, newer than the first ``after`` of the simulator."""
        old = {id(each) for each in self.phones.messages[:after]}
        try:
            return await self.phones.wait_for(
                lambda sms: sms.to == person.phone and id(sms) not in old and says(sms), PATIENCE
            )
        except TimeoutError:
            raise Unexpected(f"no such SMS came to {person.account_id}") from None

    async def until(self, what: str, ask: Callable[[], Awaitable[Json]], is_so: Callable[[Json], bool]) -> Json:
        """Ask again until it is so; for what a worker does by itself. Raises `Unexpected` when it never is."""
        end = monotonic() + PATIENCE
        while not is_so(answer := await ask()):
            if monotonic() > end:
                raise Unexpected(f"never seen: {what}")
            await asyncio.sleep(_POLL)
        return answer


def expect(actual: object, wanted: object, what: str) -> None:
    """One expectation of the story. Raises `Unexpected`."""
    if actual != wanted:
        raise Unexpected(f"{what}: {actual!r}, wanted {wanted!r}")


def code_in(text: str) -> str:
    """The six digits of a message, or nothing."""
    found = _CODE.search(text)
    return found[1] if found else ""


def is_code(mail: ReceivedMail) -> bool:
    """Whether a mail brings a code; otherwise it is a notice."""
    return code_in(mail.subject) != ""


def without_links(text: str) -> str:
    """A message as it is told: its links are long, and whoever has one may act."""
    return _LINK.sub("(a link)", text)


def when(instant: str) -> str:
    """An instant of the API, as people say it."""
    return dt.datetime.fromisoformat(instant).astimezone(dt.UTC).strftime("%a %d %b %H:%M UTC")
