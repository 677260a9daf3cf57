"""Hard cases of codes: late, twice, too late, at another challenge, and under a clock that goes back."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.cli.demo.helpdesk import Json
from services.cli.demo.world import code_in, is_code
from services.cli.simulators.twilio_script import Reject
from tests.support.eventually import eventually
from tests.support.owner import HOUR, STEP, Owner
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

MINUTE = dt.timedelta(minutes=1)


async def by_text(ann: Owner, **given: object) -> str:
    """Ann's first factor is her phone; its id."""
    await ann.put(**given)
    made = await ann.helpdesk.call("POST", f"{ann.path}/factors", {"type": "sms"}, expect=201)
    text = await ann.message(lambda each: bool(each["code"]))
    confirm = f"{ann.path}/factors/{made['factor']['id']}/confirm"
    ann.backup_codes = list((await ann.helpdesk.call("POST", confirm, {"code": text["code"]}))["backup_codes"])
    for channel in ("sms", "email"):  # what a test does to the next message must not hit one of these
        await ann.notice("factor_added", channel=channel)
    return str(made["factor"]["id"])


def verify(challenge: Json) -> str:
    """Where an answer goes."""
    return f"/v1/challenges/{challenge['id']}/verify"


async def two_texts(ann: Owner, factor_id: str) -> tuple[Json, Json, Json]:
    """A challenge with two codes under way, the first of them late."""
    before = await ann.messages()
    challenge = await ann.challenge()
    first = await ann.message(lambda each: bool(each["code"]), but=before)
    await ann.helpdesk.move_clock(MINUTE)
    await ann.helpdesk.call("POST", f"/v1/challenges/{challenge['id']}/send", {"factor_id": factor_id}, expect=202)
    second = await ann.message(lambda each: bool(each["code"]), but=[*before, first])
    return challenge, first, second


async def test_a_text_that_arrives_after_the_resend_is_still_good(stack: Stack) -> None:
    """Networks deliver in any order. Both live, the first success uses both up."""
    async with open_world(stack) as world:
        ann = Owner(world.helpdesk)
        challenge, first, second = await two_texts(ann, await by_text(ann))
        await world.helpdesk.verify(challenge, code=first["code"])
        status, document, _ = await world.helpdesk.ask("POST", verify(challenge), {"code": second["code"]})
        assert (status, document["code"]) in ((422, "code_already_used"), (409, "challenge_not_open"))


async def test_two_texts_share_one_budget(stack: Stack) -> None:
    """A resend must not buy a guesser five more tries."""
    async with open_world(stack) as world:
        ann = Owner(world.helpdesk)
        challenge, first, second = await two_texts(ann, await by_text(ann))
        sent = {first["code"], second["code"]}
        wrong = [f"{number:06}" for number in range(111_111, 111_121) if f"{number:06}" not in sent][:5]
        for code in wrong:
            await world.helpdesk.refused("POST", verify(challenge), {"code": code}, "code_wrong")
        for each in (first, second):
            await world.helpdesk.refused("POST", verify(challenge), {"code": each["code"]}, "challenge_exhausted")


async def test_a_code_that_is_still_queued_when_it_expires_is_never_sent(stack: Stack) -> None:
    """A code that arrives an hour later helps nobody but who reads the phone next; its helpdesk sees why none came."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        await by_text(ann, phone=world.ann.phone)
        before = await ann.messages()
        stack.phones.then(Reject(503, 20503), to=world.ann.phone)  # and not with a late text of another test
        challenge = await ann.challenge()
        path = f"/v1/challenges/{challenge['id']}"
        async with looking_into(stack) as conn:
            await eventually(lambda: conn.fetchval(_PUT_BACK, world.tenant_id), bool)
            await helpdesk.move_clock(11 * MINUTE)
            await conn.execute(_TRY_NOW, world.tenant_id)
        told = await eventually(
            lambda: helpdesk.call("GET", path),
            lambda seen: [each["state"] for each in seen["deliveries"]] == ["expired"],
        )
        assert told["state"] == "expired"
        assert await ann.messages() == before


async def test_a_sender_that_dies_after_its_provider_took_the_mail_sends_the_same_code_again(stack: Stack) -> None:
    """Nobody can say whether it left. A second mail may come, another code may not: the first would then be wrong."""
    async with open_world(stack) as world:
        helpdesk, kim = world.helpdesk, Owner(world.helpdesk, f"kim-{world.tenant_id.hex}")
        await kim.put(phone=None)
        made = await helpdesk.call("POST", f"{kim.path}/factors", {"type": "email"}, expect=201)
        code = (await kim.message(lambda each: bool(each["code"])))["code"]
        await helpdesk.call("POST", f"{kim.path}/factors/{made['factor']['id']}/confirm", {"code": code})
        await kim.notice("factor_added")

        async def codes() -> list[str]:
            return [code_in(mail.subject) for mail in stack.mailbox.messages if mail.to == kim.email and is_code(mail)]

        stack.mailbox.stall_in_data = True
        try:
            challenge = await kim.challenge()
            await eventually(codes, lambda seen: len(seen) == 2)
            stack.kill("notifier")
        finally:
            stack.mailbox.stall_in_data = False
        async with looking_into(stack) as conn:
            await conn.execute(_END_LEASE, world.tenant_id)
            stack.start("notifier")
            await stack.wait_ready("notifier")
            await eventually(lambda: conn.fetchval(_PUT_BACK, world.tenant_id), bool)
            await conn.execute(_TRY_NOW, world.tenant_id)
        _, first, second = await eventually(codes, lambda seen: len(seen) == 3)
        assert first == second
        await helpdesk.verify(challenge, code=first)


_PUT_BACK = """
SELECT count(*) FROM notifier.deliveries WHERE tenant_id = $1 AND state = 'queued' AND attempts = 1
"""
_TRY_NOW = "UPDATE notifier.deliveries SET next_attempt_at = now() WHERE tenant_id = $1 AND state = 'queued'"
_END_LEASE = """
UPDATE notifier.deliveries SET lease_until = now() - interval '1 s' WHERE tenant_id = $1 AND state = 'sending'
"""


@contextlib.asynccontextmanager
async def looking_into(stack: Stack) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The stack's database, to let pass what is waited for in system time."""
    conn = await asyncpg.connect(stack.dsn)
    try:
        yield conn
    finally:
        await conn.close()


async def test_a_clock_that_goes_back_accepts_no_code_twice(stack: Stack) -> None:
    """The steps that were accepted are remembered, not the time of day: a clock set back means "wait", not a replay."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        await ann.put()
        app = await ann.enrol()
        await helpdesk.move_clock(HOUR)
        code = ann.code(app)
        await helpdesk.verify(await ann.challenge(), code=code)
        async with looking_into(stack) as conn:  # no call of the API sets a clock back
            await conn.execute("UPDATE policy.clocks SET clock_offset = '0' WHERE tenant_id = $1", world.tenant_id)
        helpdesk.moved(-HOUR)
        challenge = await ann.challenge()
        for each in (code, ann.code(app), ann.code(app, helpdesk.now + STEP)):
            status, document, _ = await helpdesk.ask("POST", verify(challenge), {"code": each})
            assert (status, document["code"]) in ((422, "code_already_used"), (422, "code_wrong"), (422, "clock_off"))
        await helpdesk.move_clock(2 * HOUR)
        await ann.sign_in(app)


async def test_what_was_sent_for_one_challenge_is_nothing_at_the_next(stack: Stack) -> None:
    """A code is bound to its challenge: the late text of a login that was given up opens no other."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        await by_text(ann)
        before = await ann.messages()
        first = await ann.challenge()
        late = await ann.message(lambda each: bool(each["code"]), but=before)
        await helpdesk.call("POST", f"/v1/challenges/{first['id']}/cancel", {})
        await helpdesk.move_clock(MINUTE)
        second = await ann.challenge()
        fresh = await ann.message(lambda each: bool(each["code"]), but=[*before, late])
        if late["code"] != fresh["code"]:
            await helpdesk.refused("POST", verify(second), {"code": late["code"]}, "code_wrong")
        await helpdesk.verify(second, code=fresh["code"])
