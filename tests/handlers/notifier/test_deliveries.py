"""From the command to the mailbox or the phone, and what each outcome leaves behind."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr

from services.cli.simulators.twilio_script import THROTTLED, HangUp
from services.notifier.adapters.senders import open_sandbox
from services.notifier.domain.attempt import Again, Sent
from services.notifier.handlers.dispatch import dispatching
from services.notifier.handlers.outcomes import Judged, release_expired, write_down
from services.notifier.queries.deliveries import Claimed, claim_deliveries
from services.notifier.settings import NotifierSettings
from shared.clock import host_now
from shared.contracts.commands import ReadDeliveries, ReadSandboxMessages
from shared.contracts.types import ChallengeId, Channel, DeliveryId
from shared.ids import new_id
from tests.handlers.notifier.conftest import ADDRESS, NUMBER, PUBLIC_URL, Desk, OpenDesk
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant

MINUTES = dt.timedelta(minutes=1)
SECOND = dt.timedelta(seconds=1)


async def claim(desk: Desk, channel: Channel = Channel.EMAIL) -> Claimed:
    """The one delivery that is queued, as a dispatcher takes it."""
    async with desk.deps.database.transaction(work_queues=True) as conn:
        [claimed] = await claim_deliveries(conn, channel, limit=10)
    return claimed


async def put_back(desk: Desk, delivery_id: UUID) -> asyncpg.Record:
    """Wait until an attempt was made that is to be made again."""
    return await eventually(lambda: desk.row(delivery_id), lambda row: row["state"] == "queued" and row["reason"])


async def lose(desk: Desk, claimed: Claimed) -> None:
    """The lease ends: as if the process that holds it had died."""
    await desk.rows(
        "UPDATE notifier.deliveries SET lease_until = now() - interval '1 s' WHERE delivery_id = $1",
        claimed.delivery.delivery_id,
    )
    assert not await release_expired(desk.deps)


@pytest.mark.usefixtures("sending")
async def test_a_code_reaches_its_mailbox_and_says_so(desk: Desk) -> None:
    """The main job of the notifier, and the row forgets the code once it is handed over."""
    command = desk.mail(code="493817")
    await desk.handle(command)
    mail = await desk.mailbox.wait_for(lambda mail: mail.to == ADDRESS)
    row = await desk.state(command.data.delivery_id, "accepted")
    assert mail.subject.startswith("493817")
    assert row["code"] is None
    assert await desk.events(command.data.delivery_id) == ["code.sent"]


@pytest.mark.usefixtures("sending")
async def test_a_code_reaches_its_phone_and_the_receipt_finds_its_way_back(desk: Desk) -> None:
    """The provider is told where to report, and to drop the text when the code is over."""
    command = desk.text(not_after=host_now() + 10 * MINUTES)
    await desk.handle(command)
    sms = await desk.phones.wait_for(lambda sms: sms.to == NUMBER)
    row = await desk.state(command.data.delivery_id, "accepted")
    assert "493817" in sms.body
    assert sms.body.endswith("@help.acme.example #493817")
    query = f"tenant={desk.tenant_id}&delivery={command.data.delivery_id}"
    assert sms.status_callback == f"{PUBLIC_URL}/v1/callbacks/twilio?{query}"
    assert sms.validity_period is not None
    assert 0 < sms.validity_period <= 600
    assert (row["provider_id"], row["code"]) == (sms.sid, None)
    assert await desk.events(command.data.delivery_id) == ["code.sent"]


@pytest.mark.usefixtures("sending")
async def test_a_text_binds_its_code_to_the_site_of_its_tenant(desk: Desk) -> None:
    """A phone offers the code on that site and on no other: ours is right only where people type it here."""
    await desk.handle(desk.text(code="271828", domain="support.acme.example"))
    sms = await desk.phones.wait_for(lambda sms: "271828" in sms.body)
    assert sms.body.endswith("@support.acme.example #271828")


@pytest.mark.usefixtures("sending")
async def test_the_same_command_twice_is_one_mail(desk: Desk) -> None:
    """A redelivered command must not mail twice: the inbox absorbs it, and so does the delivery's id."""
    command = desk.mail()
    await desk.handle(command)
    await desk.handle(command)
    other = desk.mail(code="271828")
    await desk.handle(other)
    await desk.state(command.data.delivery_id, "accepted")
    await desk.state(other.data.delivery_id, "accepted")
    assert len(desk.mailbox.messages) == 2


@pytest.mark.usefixtures("sending")
async def test_a_list_of_commands_is_queued_together(desk: Desk) -> None:
    """A helpdesk's notices come by the thousand: one statement for each would hold up the codes behind them."""
    commands = [desk.mail(code=f"{number:06}") for number in range(40)]
    await desk.handle(*commands)
    accepted = "SELECT 1 FROM notifier.deliveries WHERE state = 'accepted'"
    await eventually(lambda: desk.rows(accepted), lambda rows: len(rows) == 40)
    assert {mail.subject[:6] for mail in desk.mailbox.messages} == {f"{number:06}" for number in range(40)}


@pytest.mark.usefixtures("sending")
async def test_a_code_is_never_sent_after_its_time(desk: Desk) -> None:
    """A late code helps nobody but who reads the mailbox next."""
    command = desk.mail(not_after=host_now() - SECOND)
    await desk.handle(command)
    await desk.state(command.data.delivery_id, "expired")
    assert desk.mailbox.messages == []
    assert await desk.events(command.data.delivery_id) == ["code.expired"]


@pytest.mark.usefixtures("sending")
async def test_a_codes_time_is_its_tenants(desk: Desk) -> None:
    """In a sandbox that is ten minutes ahead a code of now is over, and what is said of it is dated there."""
    await desk.move_clock(10 * MINUTES)
    late, fresh = desk.mail(not_after=host_now() + 9 * MINUTES), desk.mail(not_after=host_now() + 19 * MINUTES)
    await desk.handle(late, fresh)
    await desk.state(late.data.delivery_id, "expired")
    await desk.state(fresh.data.delivery_id, "accepted")
    [sent] = await desk.said(fresh.data.delivery_id)
    assert host_now() + 9 * MINUTES < sent.time < host_now() + 11 * MINUTES


@pytest.mark.usefixtures("sending")
async def test_a_refused_mailbox_is_told_and_not_tried_again(desk: Desk) -> None:
    """The helpdesk can tell its customer that the address is wrong."""
    desk.mailbox.refuse_recipients(550)
    command = desk.mail()
    await desk.handle(command)
    row = await desk.state(command.data.delivery_id, "refused")
    assert row["attempts"] == 1
    assert await desk.events(command.data.delivery_id) == ["code.undeliverable"]


@pytest.mark.usefixtures("sending")
async def test_a_busy_provider_is_asked_again_later(desk: Desk) -> None:
    """No verdict: the delivery waits in the queue with its attempt counted, and as long as the provider asked for."""
    desk.mailbox.refuse_recipients(451)
    desk.phones.then(THROTTLED)
    mail, text = desk.mail(), desk.text()
    await desk.handle(mail)
    await desk.handle(text)
    for delivery_id, least in ((mail.data.delivery_id, 4), (text.data.delivery_id, 6)):
        row = await put_back(desk, delivery_id)
        assert row["attempts"] == 1
        assert row["next_attempt_at"] - row["queued_at"] > least * SECOND


@pytest.mark.usefixtures("sending")
async def test_what_nobody_can_read_is_refused_at_once(desk: Desk) -> None:
    """Sealed for another person: trying again opens it no better, and a lease that ends says nothing of the reason."""
    command = desk.mail()
    elsewhere = desk.sealed_code("493817", DeliveryId(new_id()))
    await desk.handle(replace(command, data=command.data.model_copy(update={"code": elsewhere})))
    row = await desk.state(command.data.delivery_id, "refused")
    assert row["reason"] == "unreadable"
    assert desk.mailbox.messages == []


async def test_an_answer_that_never_came_is_asked_for_once_more(desk: Desk) -> None:
    """It may have been sent: one more, with the same content, and then the outcome is said to be unknown."""
    desk.phones.then(HangUp(), HangUp())
    command = desk.text(code="271828")
    await desk.handle(command)
    async with dispatching(desk.deps):
        assert (await put_back(desk, command.data.delivery_id))["unknowns"] == 1
        await desk.rows("UPDATE notifier.deliveries SET next_attempt_at = now()")
        row = await desk.state(command.data.delivery_id, "unknown")
    assert [sms.body.count("271828") > 0 for sms in desk.phones.messages] == [True, True]
    assert (row["attempts"], row["unknowns"], row["code"]) == (2, 1, None)
    assert await desk.events(command.data.delivery_id) == ["code.undeliverable"]


async def test_a_lost_sender_leads_to_one_more_send(desk: Desk) -> None:
    """A process that died while it was sending may have sent: at most one more, then the outcome is unknown."""
    command = desk.mail()
    await desk.handle(command)
    await lose(desk, await claim(desk))
    row = await desk.row(command.data.delivery_id)
    assert (row["state"], row["unknowns"]) == ("queued", 1)

    await desk.rows("UPDATE notifier.deliveries SET next_attempt_at = now()")
    await lose(desk, await claim(desk))
    assert (await desk.row(command.data.delivery_id))["state"] == "unknown"
    assert await desk.events(command.data.delivery_id) == ["code.undeliverable"]


async def test_who_comes_back_after_the_lease_changes_nothing(desk: Desk) -> None:
    """A process that was stopped for minutes would else put back what another one is sending: a third mail."""
    command = desk.mail()
    await desk.handle(command)
    stopped = await claim(desk)
    await lose(desk, stopped)
    await desk.rows("UPDATE notifier.deliveries SET next_attempt_at = now()")
    now_sending = await claim(desk)

    await write_down([Judged(stopped, Again(delay=SECOND, reason="451"))], desk.deps)
    await write_down([Judged(stopped, Sent(provider_id=None))], desk.deps)
    assert (await desk.row(command.data.delivery_id))["state"] == "sending"
    await write_down([Judged(now_sending, Sent(provider_id=None))], desk.deps)
    assert (await desk.row(command.data.delivery_id))["state"] == "accepted"
    assert await desk.events(command.data.delivery_id) == ["code.sent"]


async def test_who_is_asked_to_end_first_finishes_what_is_being_sent(desk: Desk) -> None:
    """Cut off in the middle, a mail that has left would be sent once more at every deployment."""
    desk.mailbox.answer_delay = 0.2
    command, later = desk.mail(), desk.mail()
    async with dispatching(desk.deps):
        await desk.handle(command)
        await desk.state(command.data.delivery_id, "sending")
    assert (await desk.row(command.data.delivery_id))["state"] == "accepted"
    await desk.handle(later)
    assert (await desk.row(later.data.delivery_id))["state"] == "queued"


@pytest.mark.usefixtures("sending")
async def test_a_live_tenant_never_reaches_the_simulators(desk: Desk, open_desk: OpenDesk) -> None:
    """Two worlds: without a provider a live tenant's message waits for an operator, and burns no attempt."""
    live = open_desk(await new_tenant(desk.dsn, is_sandbox=False))
    mail, text = live.mail(), live.text()
    await live.handle(mail)
    await live.handle(text)
    for delivery_id in (mail.data.delivery_id, text.data.delivery_id):
        row = await put_back(desk, delivery_id)
        assert (row["reason"], row["attempts"]) == ("no_provider", 0)
    assert (desk.mailbox.messages, desk.phones.messages) == ([], [])


async def test_a_sandbox_without_simulators_keeps_its_messages(desk: Desk, key_dir: Path) -> None:
    """As in production: nothing leaves, and its developers read what would have."""
    settings = NotifierSettings(database_url=SecretStr(desk.dsn), key_dir=key_dir)
    command = desk.mail(code="493817")
    await desk.handle(command)
    async with open_sandbox(settings) as nobody, dispatching(replace(desk.deps, sandbox=nobody)):
        await desk.state(command.data.delivery_id, "accepted")
    [message] = (await desk.ask(ReadSandboxMessages()))["messages"]
    assert (message["to"], message["code"]) == (ADDRESS, "493817")
    assert desk.mailbox.messages == []


@pytest.mark.usefixtures("sending")
async def test_the_deliveries_of_a_challenge_are_told(desk: Desk) -> None:
    """Whoever waits for a code is told whether it has left, and never the whole address."""
    challenge_id = ChallengeId(new_id())
    command = desk.mail(challenge_id=challenge_id)
    await desk.handle(command, desk.mail())
    await desk.state(command.data.delivery_id, "accepted")
    [told] = (await desk.ask(ReadDeliveries(challenge_id=challenge_id)))["deliveries"]
    assert (told["id"], told["state"], told["destination"]) == (str(command.data.delivery_id), "accepted", "a•••")
    assert (await desk.ask(ReadDeliveries(challenge_id=ChallengeId(new_id()))))["deliveries"] == []
