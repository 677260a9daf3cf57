"""What a provider reports later: believed if it signed it, whenever it comes."""

import datetime as dt
import json
from collections.abc import Mapping

import pytest
from twilio.request_validator import RequestValidator

from services.notifier.adapters.senders import SANDBOX_TOKEN
from services.notifier.domain.attempt import Attempt, Failed, Sent, after_attempt
from services.notifier.domain.delivery import Unknown
from services.notifier.handlers.dispatch import dispatching
from services.notifier.handlers.outcomes import Judged, write_down
from services.notifier.queries.deliveries import Claimed, claim_deliveries
from shared.clock import host_now
from shared.contracts import events
from shared.contracts.commands import RecordReceipt, SendSms
from shared.contracts.envelope import Envelope
from shared.contracts.replies import RefusalCode
from shared.contracts.types import Channel, DeliveryId
from shared.crypto.sealing import seal, typed_place
from shared.ids import new_id
from shared.secret import Secret
from tests.handlers.notifier.conftest import PUBLIC_URL, Desk, OpenDesk
from tests.support.tenants import new_tenant

MINUTE = dt.timedelta(minutes=1)
URL = f"{PUBLIC_URL}/v1/callbacks/twilio?tenant=t&delivery=d"
DELIVERED = {"MessageSid": "SM1", "MessageStatus": "delivered"}
UNDELIVERED = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30005"}


def receipt(
    desk: Desk, delivery_id: DeliveryId, params: Mapping[str, str], *, token: str = SANDBOX_TOKEN
) -> RecordReceipt:
    """A report, signed with this token, as the gateway hands it on."""
    signature = RequestValidator(token).compute_signature(URL, dict(params))
    return RecordReceipt(
        delivery_id=delivery_id, url=URL, params=sealed(desk, delivery_id, params), signature=signature
    )


def sealed(desk: Desk, delivery_id: DeliveryId, params: Mapping[str, str]) -> str:
    """The fields of a report, for nobody but the notifier: one of them is the number."""
    place = typed_place(desk.tenant_id, str(delivery_id), "receipt")
    return seal(desk.deps.seal, Secret(json.dumps(dict(params))), place)


async def queued(desk: Desk) -> Envelope[SendSms]:
    """A text that waits for its dispatcher."""
    command = desk.text()
    await desk.handle(command)
    return command


async def accepted(desk: Desk) -> DeliveryId:
    """A text that the provider has taken."""
    command = await queued(desk)
    async with dispatching(desk.deps):
        await desk.state(command.data.delivery_id, "accepted")
    return command.data.delivery_id


async def claim(desk: Desk) -> Claimed:
    """The queued text, as a dispatcher takes it."""
    async with desk.deps.database.transaction(work_queues=True) as conn:
        [claimed] = await claim_deliveries(conn, Channel.SMS, limit=10)
    return claimed


async def test_a_genuine_receipt_ends_the_delivery_and_is_said_once(desk: Desk) -> None:
    """The helpdesk sees that the code has arrived; providers like to report twice."""
    delivery_id = await accepted(desk)
    assert await desk.ask(receipt(desk, delivery_id, DELIVERED)) == {"is_new": True}
    assert await desk.ask(receipt(desk, delivery_id, DELIVERED)) == {"is_new": False}
    assert await desk.ask(receipt(desk, delivery_id, UNDELIVERED)) == {"is_new": False}
    row = await desk.row(delivery_id)
    assert (row["state"], row["ended_at"] is not None) == ("delivered", True)
    assert await desk.events(delivery_id) == ["code.sent", "code.delivered"]


async def test_an_undelivered_text_is_told_with_the_providers_code(desk: Desk) -> None:
    """The person hears "try another way" instead of waiting."""
    delivery_id = await accepted(desk)
    await desk.ask(receipt(desk, delivery_id, UNDELIVERED))
    told = (await desk.said(delivery_id))[-1].data
    assert isinstance(told, events.CodeUndeliverable)
    assert told.reason == "30005"


async def test_an_error_code_that_is_none_is_not_told(desk: Desk) -> None:
    """Anybody can sign a sandbox's receipts: what they write there is no text for the audit log."""
    delivery_id = await accepted(desk)
    await desk.ask(receipt(desk, delivery_id, {**UNDELIVERED, "ErrorCode": "+4915112345678"}))
    told = (await desk.said(delivery_id))[-1].data
    assert isinstance(told, events.CodeUndeliverable)
    assert told.reason == "undeliverable"


async def test_what_is_said_of_a_receipt_is_dated_in_tenant_time(desk: Desk) -> None:
    """A sandbox that is a day ahead would else read that its code arrived the day before it was sent."""
    delivery_id = await accepted(desk)
    await desk.move_clock(dt.timedelta(days=1))
    await desk.ask(receipt(desk, delivery_id, DELIVERED))
    said = (await desk.said(delivery_id))[-1]
    assert abs(said.time - host_now() - dt.timedelta(days=1)) < MINUTE


@pytest.mark.parametrize("status", ["queued", "sending", "sent", "", "DELIVERED", "read"])
async def test_a_status_on_the_way_says_nothing_new(desk: Desk, status: str) -> None:
    """Three of four receipts are of this kind."""
    delivery_id = await accepted(desk)
    assert await desk.ask(receipt(desk, delivery_id, {**DELIVERED, "MessageStatus": status})) == {"is_new": False}
    assert (await desk.row(delivery_id))["state"] == "accepted"


async def test_a_forged_receipt_is_refused(desk: Desk, open_desk: OpenDesk) -> None:
    """Anybody can post: only the token of the tenant's own world counts, for what was signed and nothing else."""
    delivery_id = await accepted(desk)
    genuine = receipt(desk, delivery_id, DELIVERED)
    live = open_desk(await new_tenant(desk.dsn, is_sandbox=False))
    nobody = open_desk(new_id())
    forged = [
        receipt(desk, delivery_id, DELIVERED, token="guessed"),
        genuine.model_copy(update={"params": sealed(desk, delivery_id, UNDELIVERED)}),
        genuine.model_copy(update={"url": URL + "x"}),
        genuine.model_copy(update={"signature": ""}),
    ]
    assert {await desk.refused(each) for each in forged} == {RefusalCode.SIGNATURE_WRONG}
    for other in (live, nobody):
        assert await other.refused(receipt(other, delivery_id, DELIVERED)) is RefusalCode.SIGNATURE_WRONG
    elsewhere = genuine.model_copy(update={"params": sealed(live, delivery_id, DELIVERED)})
    assert await desk.refused(elsewhere) is RefusalCode.SIGNATURE_WRONG
    assert (await desk.row(delivery_id))["state"] == "accepted"


async def test_another_tenants_delivery_is_out_of_reach(desk: Desk, open_desk: OpenDesk) -> None:
    """The tenant in the address is the caller's claim; the signature covers it, and the row must be that tenant's."""
    delivery_id = await accepted(desk)
    other = open_desk(await new_tenant(desk.dsn))
    assert await other.ask(receipt(other, delivery_id, DELIVERED)) == {"is_new": False}
    assert (await desk.row(delivery_id))["state"] == "accepted"


async def test_a_receipt_before_the_answer_counts_with_it(desk: Desk) -> None:
    """Twilio's callback can overtake its own answer to us."""
    command = await queued(desk)
    claimed = await claim(desk)
    assert await desk.ask(receipt(desk, command.data.delivery_id, DELIVERED)) == {"is_new": False}
    assert await desk.events(command.data.delivery_id) == []
    await write_down([Judged(claimed, Sent(provider_id="SM1"))], desk.deps)
    assert (await desk.row(command.data.delivery_id))["state"] == "delivered"
    assert await desk.events(command.data.delivery_id) == ["code.sent", "code.delivered"]


async def test_a_receipt_for_an_answer_that_never_came_spares_the_second_text(desk: Desk) -> None:
    """It was sent after all: another one would only be paid for."""
    command = await queued(desk)
    claimed = await claim(desk)
    await desk.ask(receipt(desk, command.data.delivery_id, DELIVERED))
    step = after_attempt(Attempt(attempts=1, unknowns=0), Unknown(reason="timeout"))
    await write_down([Judged(claimed, step)], desk.deps)
    row = await desk.row(command.data.delivery_id)
    assert (row["state"], row["code"]) == ("delivered", None)
    assert await desk.events(command.data.delivery_id) == ["code.sent", "code.delivered"]


async def test_a_receipt_while_the_second_text_waits_spares_it_too(desk: Desk) -> None:
    """The same a second later."""
    command = await queued(desk)
    step = after_attempt(Attempt(attempts=1, unknowns=0), Unknown(reason="timeout"))
    await write_down([Judged(await claim(desk), step)], desk.deps)
    assert await desk.ask(receipt(desk, command.data.delivery_id, DELIVERED)) == {"is_new": True}
    row = await desk.row(command.data.delivery_id)
    assert (row["state"], row["code"]) == ("delivered", None)


async def test_a_receipt_makes_an_unknown_outcome_known(desk: Desk) -> None:
    """Hours later, when nobody counted on it any more."""
    command = await queued(desk)
    await write_down([Judged(await claim(desk), Failed(reason="timeout", is_unknown=True))], desk.deps)
    assert (await desk.row(command.data.delivery_id))["state"] == "unknown"
    assert await desk.ask(receipt(desk, command.data.delivery_id, DELIVERED)) == {"is_new": True}
    assert await desk.events(command.data.delivery_id) == ["code.undeliverable", "code.delivered"]


async def test_a_receipt_for_what_was_never_sent_is_ignored(desk: Desk) -> None:
    """A delivery that waits for its first attempt cannot have arrived."""
    command = await queued(desk)
    assert await desk.ask(receipt(desk, command.data.delivery_id, DELIVERED)) == {"is_new": False}
    assert await desk.ask(receipt(desk, DeliveryId(new_id()), DELIVERED)) == {"is_new": False}
    assert (await desk.row(command.data.delivery_id))["state"] == "queued"
