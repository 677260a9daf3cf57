"""From an event to a tenant's own server: what is sent to whom, and how it is signed."""

import dataclasses
import datetime as dt
from uuid import UUID

import pytest
from standardwebhooks import WebhookVerificationError

from services.notifier.handlers.webhook_dispatch import dispatching_webhooks
from shared.clock import host_now
from shared.contracts.codec import encode
from shared.contracts.commands import (
    DeleteWebhookEndpoint,
    ReadWebhookEndpoints,
    RedeliverWebhook,
    RotateWebhookSecret,
)
from shared.contracts.replies import RefusalCode
from shared.contracts.types import WebhookDeliveryId
from tests.handlers.notifier.conftest import Desk, OpenDesk
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant
from tests.support.webhook_receiver import WebhookReceiver
from tests.support.webhooks import LOW, SESSIONS, UPSERTED, arrive, endpoint, happen

pytestmark = pytest.mark.usefixtures("posting")


async def test_an_event_arrives_as_in_the_feed_and_signed(desk: Desk, receiver: WebhookReceiver) -> None:
    """The receiver checks it with the library of the standard, and finds the event by its id in the feed."""
    one = await endpoint(desk, receiver.url + "/hooks")
    [event] = await happen(desk, SESSIONS)

    [hook] = await receiver.wait_for(lambda _: True)
    assert hook.body == encode(event)
    assert hook.checked(one.secret)["id"] == hook.id == str(event.id)
    [delivery] = await one.settled("delivered")
    assert (delivery["attempts"], delivery["status"], delivery["reason"]) == (1, 204, None)


async def test_a_signature_is_of_one_endpoint(desk: Desk, receiver: WebhookReceiver) -> None:
    """Whoever knows the secret of one endpoint cannot speak to another."""
    one = await endpoint(desk, receiver.url + "/one")
    other = await endpoint(desk, receiver.url + "/other")
    await happen(desk, SESSIONS)
    [hook] = await receiver.wait_for(lambda hook: hook.path == "/one")
    assert hook.checked(one.secret)
    with pytest.raises(WebhookVerificationError):
        hook.checked(other.secret)


async def test_an_endpoint_gets_what_it_asked_for(desk: Desk, receiver: WebhookReceiver) -> None:
    """A filter is there so that a receiver is not woken for what it throws away."""
    one = await endpoint(desk, receiver.url, ["backup_codes.*", "account.upserted"])
    await happen(desk, SESSIONS, LOW, UPSERTED)
    await one.settled("delivered", "delivered")
    assert {each["event_type"] for each in await one.deliveries()} == {"backup_codes.low", "account.upserted"}


async def test_another_tenants_events_stay_there(desk: Desk, receiver: WebhookReceiver, open_desk: OpenDesk) -> None:
    """What happens at one helpdesk is nobody else's business."""
    one = await endpoint(desk, receiver.url)
    stranger = open_desk(await new_tenant(desk.dsn))
    await happen(stranger, SESSIONS)
    await happen(desk, LOW)
    await one.settled("delivered")
    assert await stranger.refused(ReadWebhookEndpoints(endpoint_id=one.id)) == RefusalCode.WEBHOOK_ENDPOINT_NOT_FOUND
    assert await stranger.refused(DeleteWebhookEndpoint(endpoint_id=one.id)) == RefusalCode.WEBHOOK_ENDPOINT_NOT_FOUND
    [delivery] = await one.deliveries()
    redelivery = RedeliverWebhook(delivery_id=WebhookDeliveryId(UUID(delivery["id"])))
    assert await stranger.refused(redelivery) == RefusalCode.WEBHOOK_DELIVERY_NOT_FOUND


async def test_an_event_that_comes_twice_is_sent_once(desk: Desk, receiver: WebhookReceiver) -> None:
    """A relay that died between publishing and marking publishes again; so does an operator's replay."""
    one = await endpoint(desk, receiver.url)
    envelopes = await happen(desk, SESSIONS)
    await arrive(desk, envelopes)
    await desk.rows("DELETE FROM bus.inbox WHERE message_id = $1", envelopes[0].id)
    await arrive(desk, envelopes)
    await happen(desk, LOW)
    await one.settled("delivered", "delivered")
    assert len(receiver.hooks) == 2


async def test_events_without_a_listener_leave_nothing_behind(desk: Desk, receiver: WebhookReceiver) -> None:
    """Most tenants have no endpoint, and most endpoints want few types: each event would cost a row in the inbox."""
    one = await endpoint(desk, receiver.url, ["backup_codes.*"])
    happened = await happen(desk, SESSIONS, LOW, UPSERTED)
    handled = "SELECT message_id FROM bus.inbox WHERE message_id = ANY ($1)"
    rows = await desk.rows(handled, [each.id for each in happened])
    assert [row["message_id"] for row in rows] == [happened[1].id]
    await one.settled("delivered")


async def test_an_endpoint_hears_nothing_of_the_time_before_it(desk: Desk, receiver: WebhookReceiver) -> None:
    """An event that nobody listened to comes again when a process dies or an operator replays; it is old news then."""
    happened = await happen(desk, SESSIONS)
    one = await endpoint(desk, receiver.url)
    old = dataclasses.replace(happened[0], time=host_now() - dt.timedelta(hours=1))
    await arrive(desk, [old])
    await happen(desk, LOW)
    [delivery] = await one.settled("delivered")
    assert delivery["event_type"] == "backup_codes.low"


async def test_two_dispatchers_send_each_event_once(desk: Desk, receiver: WebhookReceiver) -> None:
    """Replicas of the service share the queue; neither takes what the other holds."""
    one = await endpoint(desk, receiver.url)
    async with dispatching_webhooks(desk.deps):
        await happen(desk, *[SESSIONS] * 40)
        await eventually(one.deliveries, lambda found: [each["state"] for each in found] == ["delivered"] * 40)
    assert len({hook.id for hook in receiver.hooks}) == len(receiver.hooks) == 40


async def test_both_secrets_sign_for_a_day(desk: Desk, receiver: WebhookReceiver) -> None:
    """The receiver changes over when it likes, without losing an event; then the old secret is worth nothing."""
    one = await endpoint(desk, receiver.url)
    rotated = await desk.ask(RotateWebhookSecret(endpoint_id=one.id))
    assert rotated["secret"] != one.secret
    assert rotated["secret"].startswith("whsec_")
    assert dt.datetime.fromisoformat(rotated["previous_secret_until"]) > host_now() + dt.timedelta(hours=23)
    await happen(desk, SESSIONS)
    [hook] = await receiver.wait_for(lambda _: True)
    assert len(hook.headers["webhook-signature"].split(" ")) == 2
    assert hook.checked(one.secret) == hook.checked(rotated["secret"])

    await desk.rows("UPDATE notifier.webhook_endpoints SET previous_until = now() WHERE endpoint_id = $1", one.id)
    await happen(desk, LOW)
    hook = (await receiver.wait_for(lambda _: True, count=2))[-1]
    assert hook.checked(rotated["secret"])
    with pytest.raises(WebhookVerificationError):
        hook.checked(one.secret)


async def test_no_secret_and_no_address_is_stored_or_said_in_clear(desk: Desk, receiver: WebhookReceiver) -> None:
    """A copy of the database signs nothing, and an address may hold a password."""
    one = await endpoint(desk, receiver.url + "/pa55word")
    await desk.ask(RotateWebhookSecret(endpoint_id=one.id))
    [row] = await desk.rows("SELECT * FROM notifier.webhook_endpoints WHERE endpoint_id = $1", one.id)
    outbox = await desk.rows(
        "SELECT convert_from(body, 'UTF8') AS body FROM bus.outbox WHERE tenant_id = $1", desk.tenant_id
    )
    written = str(dict(row)) + str([each["body"] for each in outbox])
    assert outbox
    assert "whsec_" not in written
    assert one.secret.removeprefix("whsec_") not in written
    assert "pa55word" not in written
    assert "secret" not in await one.view()
