"""From an event to a tenant's own server, and what each answer of that server leads to."""

import dataclasses
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp import web
from standardwebhooks import WebhookVerificationError

from services.notifier.domain.webhook import MAX_ENDPOINTS, MAX_WAITING, OFFSETS
from services.notifier.handlers.webhook_dispatch import dispatching_webhooks
from services.notifier.handlers.webhook_outcomes import release_webhooks
from shared.clock import host_now
from shared.contracts.codec import encode
from shared.contracts.commands import (
    ChangeWebhookEndpoint,
    CreateWebhookEndpoint,
    DeleteWebhookEndpoint,
    ReadWebhookDeliveries,
    ReadWebhookEndpoints,
    RedeliverWebhook,
    RotateWebhookSecret,
    TryWebhookEndpoint,
)
from shared.contracts.envelope import Envelope, Event, begin
from shared.contracts.events import AccountUpserted, BackupCodesLow, SessionsShouldEnd
from shared.contracts.replies import RefusalCode
from shared.contracts.types import EndpointId, Role, WebhookDeliveryId
from shared.crypto.sealing import seal, webhook_place
from shared.ids import new_id
from shared.messaging.bus import Ack, Incoming
from shared.messaging.topology import NOTIFIER_WEBHOOKS
from shared.secret import Secret
from tests.handlers.notifier.conftest import Desk, OpenDesk
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant
from tests.support.webhook_receiver import WebhookReceiver

SESSIONS = SessionsShouldEnd(reason="locked_out")
LOW = BackupCodesLow(codes_left=2)
UPSERTED = AccountUpserted(role=Role.AGENT, is_active=True, is_sso=False)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint of the desk's tenant."""

    desk: Desk
    id: EndpointId
    secret: str = field(repr=False)

    async def deliveries(self) -> list[dict[str, Any]]:
        """Newest first."""
        answer = await self.desk.ask(ReadWebhookDeliveries(endpoint_id=self.id))
        found: list[dict[str, Any]] = answer["deliveries"]
        return found

    async def settled(self, *states: str) -> list[dict[str, Any]]:
        """Wait until the deliveries, newest first, are in these states; each has been tried."""

        def is_so(found: list[dict[str, Any]]) -> bool:
            return [each["state"] for each in found if each["attempts"]] == list(states)

        return await eventually(self.deliveries, is_so)

    async def view(self) -> dict[str, Any]:
        """As the tenant sees it."""
        return await self.desk.ask(ReadWebhookEndpoints(endpoint_id=self.id))


def sealed_url(desk: Desk, endpoint_id: UUID, url: str) -> str:
    """As the gateway seals it."""
    return seal(desk.deps.seal, Secret(url), webhook_place(desk.tenant_id, endpoint_id, "url"))


def creation(desk: Desk, url: str, events: Sequence[str] = ("*",)) -> CreateWebhookEndpoint:
    """The gateway's request."""
    endpoint_id = EndpointId(new_id())
    return CreateWebhookEndpoint(
        endpoint_id=endpoint_id, url=sealed_url(desk, endpoint_id, url), events=tuple(events), description="tests"
    )


async def endpoint(desk: Desk, url: str, events: Sequence[str] = ("*",)) -> Endpoint:
    """A new one."""
    made = await desk.ask(creation(desk, url, events))
    return Endpoint(desk=desk, id=EndpointId(UUID(made["id"])), secret=made["secret"])


async def happen(desk: Desk, *events: Event) -> list[Envelope[Event]]:
    """These events come together to the lane."""
    envelopes = [
        begin(each, tenant_id=desk.tenant_id, account_id="ann", actor="system", source="/tests", at=host_now())
        for each in events
    ]
    await arrive(desk, envelopes)
    return envelopes


async def arrive(desk: Desk, envelopes: Sequence[Envelope[Event]]) -> None:
    """As the bus hands them over."""
    batch = [
        Incoming(lane=NOTIFIER_WEBHOOKS.name, message_id=each.id, body=encode(each), first_seen_at=host_now())
        for each in envelopes
    ]
    assert await desk.consumer.receive(batch) == [Ack()] * len(batch)


async def due_now(desk: Desk) -> None:
    """The next step of the schedule has come."""
    await desk.rows("UPDATE notifier.webhook_deliveries SET next_attempt_at = now() WHERE state = 'queued'")
    desk.deps.webhook_wake.set()


async def said(desk: Desk, kind: str) -> list[asyncpg.Record]:
    """Events of a kind in the tenant's outbox."""
    return await desk.rows(
        "SELECT body FROM bus.outbox WHERE tenant_id = $1 AND routing_key = $2", desk.tenant_id, kind
    )


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    """The tenant's server."""
    async with WebhookReceiver() as server:
        yield server


@pytest.fixture
async def posting(desk: Desk, receiver: WebhookReceiver) -> AsyncIterator[None]:
    """What is due is sent."""
    async with dispatching_webhooks(desk.deps):
        yield
        receiver.release.set()


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


async def test_what_failed_comes_again_under_the_same_id(desk: Desk, receiver: WebhookReceiver) -> None:
    """The id is how a receiver that had it already can tell."""
    one = await endpoint(desk, receiver.url)
    receiver.then.append(web.Response(status=500))
    [event] = await happen(desk, SESSIONS)
    [waiting] = await one.settled("queued")
    assert (waiting["attempts"], waiting["status"], waiting["reason"]) == (1, 500, "http_500")
    assert (await one.view())["failing_since"] is not None

    await due_now(desk)
    await one.settled("delivered")
    assert [hook.id for hook in receiver.hooks] == [str(event.id)] * 2
    assert (await one.view())["failing_since"] is None


async def test_a_redirect_leads_nowhere(desk: Desk, receiver: WebhookReceiver) -> None:
    """It is the tenant's server that decides where it would lead."""
    one = await endpoint(desk, receiver.url)
    receiver.then.append(web.Response(status=302, headers={"Location": receiver.url + "/elsewhere"}))
    await happen(desk, SESSIONS)
    [waiting] = await one.settled("queued")
    assert (waiting["status"], waiting["reason"]) == (302, "redirected")
    assert [hook.path for hook in receiver.hooks] == ["/"]


async def test_410_disables_the_endpoint_and_says_so(desk: Desk, receiver: WebhookReceiver) -> None:
    """The receiver is gone on purpose: what waits for it ends, and the feed and the audit log have the reason."""
    one = await endpoint(desk, receiver.url)
    receiver.then.extend([web.Response(status=500), web.Response(status=410)])
    await happen(desk, SESSIONS)
    await one.settled("queued")
    await happen(desk, LOW)
    await one.settled("failed", "failed")
    assert [each["reason"] for each in await one.deliveries()] == ["gone", "endpoint_disabled"]
    view = await one.view()
    assert (view["enabled"], view["disabled_reason"]) == (False, "gone")
    assert len(await said(desk, "webhook_endpoint.disabled")) == 1

    await happen(desk, UPSERTED)
    assert len(await one.deliveries()) == 2
    assert await desk.refused(TryWebhookEndpoint(endpoint_id=one.id)) == RefusalCode.WEBHOOK_ENDPOINT_DISABLED
    delivery_id = WebhookDeliveryId(UUID((await one.deliveries())[0]["id"]))
    refusal = await desk.refused(RedeliverWebhook(delivery_id=delivery_id))
    assert refusal == RefusalCode.WEBHOOK_ENDPOINT_DISABLED


async def test_a_day_of_failures_disables_the_endpoint(desk: Desk, receiver: WebhookReceiver) -> None:
    """Nobody is posted to for years; the tenant reads why, mends it, and asks for what was missed."""
    one = await endpoint(desk, receiver.url)
    receiver.then.extend([web.Response(status=500), web.Response(status=500)])
    await happen(desk, SESSIONS)
    await one.settled("queued")
    await desk.rows("UPDATE notifier.webhook_endpoints SET failing_since = now() - interval '24 hours'")
    await due_now(desk)
    [failed] = await one.settled("failed")
    view = await one.view()
    assert (view["enabled"], view["disabled_reason"], failed["reason"]) == (False, "failing", "http_500")
    assert len(await said(desk, "webhook_endpoint.disabled")) == 1

    view = await desk.ask(ChangeWebhookEndpoint(endpoint_id=one.id, enabled=True))
    assert (view["enabled"], view["disabled_reason"], view["failing_since"]) == (True, None, None)
    again = await desk.ask(RedeliverWebhook(delivery_id=WebhookDeliveryId(UUID(failed["id"]))))
    assert (again["state"], again["attempts"]) == ("queued", 0)
    await one.settled("delivered")


async def test_the_tenth_attempt_is_the_last(desk: Desk, receiver: WebhookReceiver) -> None:
    """An event that one endpoint cannot digest is given up, and the others get through."""
    one = await endpoint(desk, receiver.url)
    receiver.then.append(web.Response(status=500))
    await happen(desk, SESSIONS)
    await one.settled("queued")
    receiver.then.append(web.Response(status=500))
    await desk.rows("UPDATE notifier.webhook_deliveries SET attempts = $1", len(OFFSETS) - 1)
    await due_now(desk)
    [failed] = await one.settled("failed")
    assert (failed["attempts"], failed["reason"]) == (len(OFFSETS), "http_500")
    await happen(desk, LOW)
    await one.settled("delivered", "failed")


async def test_retry_after_holds_the_whole_endpoint(desk: Desk, receiver: WebhookReceiver) -> None:
    """An endpoint that asks for a pause means all that we have for it."""
    one = await endpoint(desk, receiver.url + "/one")
    other = await endpoint(desk, receiver.url + "/other", ["backup_codes.low"])
    receiver.then.append(web.Response(status=429, headers={"Retry-After": "3600"}))
    await happen(desk, SESSIONS)
    [waiting] = await one.settled("queued")
    assert dt.datetime.fromisoformat(waiting["next_attempt_at"]) > host_now() + dt.timedelta(minutes=59)

    await happen(desk, LOW)
    await other.settled("delivered")
    assert [each["state"] for each in await one.deliveries()] == ["queued", "queued"]
    assert len([hook for hook in receiver.hooks if hook.path == "/one"]) == 1


async def test_a_slow_endpoint_holds_nobody_else_up(desk: Desk, receiver: WebhookReceiver) -> None:
    """One server that hangs gets a few places, whatever waits for it; another tenant's event passes it by."""
    slow = await endpoint(desk, receiver.url + "/slow", ["sessions.should_end"])
    quick = await endpoint(desk, receiver.url + "/quick", ["backup_codes.low"])
    await happen(desk, *[SESSIONS] * 30)
    await eventually(slow.deliveries, lambda found: [each["state"] for each in found].count("sending") == 4)
    await happen(desk, *[LOW] * 10)
    await quick.settled(*["delivered"] * 10)
    assert receiver.waiting == 4

    receiver.release.set()
    await slow.settled(*["delivered"] * 30)


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


async def test_a_trial_goes_to_its_endpoint_whatever_the_filter_says(desk: Desk, receiver: WebhookReceiver) -> None:
    """It is there to see whether the way is open, and it bothers no other endpoint."""
    one = await endpoint(desk, receiver.url + "/one", ["report.ready", "login.decided"])
    other = await endpoint(desk, receiver.url + "/other")
    queued = await desk.ask(TryWebhookEndpoint(endpoint_id=one.id))
    assert queued["event_type"] == "webhook_endpoint.tested"
    [hook] = await receiver.wait_for(lambda hook: hook.path == "/one")
    assert hook.checked(one.secret)["data"] == {"endpoint_id": str(one.id)}
    [row] = await said(desk, "webhook_endpoint.tested")
    assert row["body"] == hook.body
    await one.settled("delivered")
    assert await other.deliveries() == []


async def test_a_lost_sender_leads_to_another_attempt(desk: Desk, receiver: WebhookReceiver) -> None:
    """A process that died while posting leaves a lease; when it ends, the event goes out again."""
    one = await endpoint(desk, receiver.url)
    await happen(desk, SESSIONS)
    await one.settled("delivered")
    lose = """
        UPDATE notifier.webhook_deliveries
           SET state = 'sending', ended_at = NULL, lease_until = now() - interval '1 second', attempts = $1
        """
    await desk.rows(lose, 1)
    await release_webhooks(desk.deps)
    [again] = await one.settled("delivered")
    assert again["attempts"] == 2
    assert len({hook.id for hook in receiver.hooks}) == 1

    await desk.rows(lose, len(OFFSETS))
    await release_webhooks(desk.deps)
    [failed] = await one.settled("failed")
    assert failed["reason"] == "lease_ended"


async def test_so_much_waits_and_no_more(desk: Desk, receiver: WebhookReceiver) -> None:
    """An endpoint that takes nothing must not fill the database; what was left out is counted, and in the feed."""
    one = await endpoint(desk, receiver.url)
    await desk.rows("UPDATE notifier.webhook_endpoints SET paused_until = now() + interval '1 hour'")
    await desk.rows(
        """
        INSERT INTO notifier.webhook_deliveries (tenant_id, endpoint_id, event_id, delivery_id, event_type, body)
        SELECT $1, $2, gen_random_uuid(), gen_random_uuid(), 'login.decided', '' FROM generate_series(1, $3 + 1)
        """,
        desk.tenant_id,
        one.id,
        MAX_WAITING,
    )
    await happen(desk, SESSIONS, LOW)
    assert (await one.view())["missed"] == 2
    [row] = await desk.rows("SELECT count(*) FROM notifier.webhook_deliveries WHERE endpoint_id = $1", one.id)
    assert row["count"] == MAX_WAITING + 1


async def test_a_deleted_endpoint_gets_nothing_more(desk: Desk, receiver: WebhookReceiver) -> None:
    """Its secret is gone with it."""
    one = await endpoint(desk, receiver.url)
    receiver.then.append(web.Response(status=500))
    await happen(desk, SESSIONS)
    await one.settled("queued")
    assert await desk.ask(DeleteWebhookEndpoint(endpoint_id=one.id)) == {"id": str(one.id)}
    [row] = await desk.rows("SELECT state, reason FROM notifier.webhook_deliveries WHERE endpoint_id = $1", one.id)
    assert (row["state"], row["reason"]) == ("failed", "endpoint_deleted")
    assert (await desk.ask(ReadWebhookEndpoints()))["endpoints"] == []
    assert len(await said(desk, "webhook_endpoint.deleted")) == 1


async def test_an_endpoint_is_changed_and_switched_off(desk: Desk, receiver: WebhookReceiver) -> None:
    """What is not named stays, and what waits for an endpoint that is switched off is not sent later by surprise."""
    one = await endpoint(desk, receiver.url + "/before")
    after = sealed_url(desk, one.id, receiver.url + "/after")
    view = await desk.ask(ChangeWebhookEndpoint(endpoint_id=one.id, url=after, events=("backup_codes.low",)))
    assert (view["url"], view["events"], view["description"]) == (
        receiver.url + "/after",
        ["backup_codes.low"],
        "tests",
    )
    await happen(desk, SESSIONS, LOW)
    await one.settled("delivered")
    assert [hook.path for hook in receiver.hooks] == ["/after"]

    view = await desk.ask(ChangeWebhookEndpoint(endpoint_id=one.id, enabled=False))
    assert (view["enabled"], view["disabled_reason"]) == (False, "requested")
    await happen(desk, LOW)
    await one.settled("delivered")
    assert len(await said(desk, "webhook_endpoint.changed")) == 2


@pytest.mark.parametrize("url", ["http://desk.acme.example/", "https://10.0.0.7/", "https://ann:x@desk.acme.example/"])
async def test_an_address_that_nothing_is_sent_to_is_refused(url: str, desk: Desk, receiver: WebhookReceiver) -> None:
    """Told when it is given; also as a change of one that was good."""
    one = await endpoint(desk, receiver.url)
    assert await desk.refused(creation(desk, url)) == RefusalCode.WEBHOOK_URL_REFUSED
    change = ChangeWebhookEndpoint(endpoint_id=one.id, url=sealed_url(desk, one.id, url))
    assert await desk.refused(change) == RefusalCode.WEBHOOK_URL_REFUSED


async def test_a_live_tenant_has_no_endpoint_on_this_machine(
    desk: Desk, receiver: WebhookReceiver, open_desk: OpenDesk
) -> None:
    """That is for sandboxes; a row that says otherwise is not obeyed either."""
    live = open_desk(await new_tenant(desk.dsn, is_sandbox=False))
    assert await live.refused(creation(live, receiver.url)) == RefusalCode.WEBHOOK_URL_REFUSED
    one = await endpoint(live, "https://desk.acme.example/")
    there = sealed_url(live, one.id, receiver.url)
    await desk.rows("UPDATE notifier.webhook_endpoints SET url = $1 WHERE endpoint_id = $2", there, one.id)
    await happen(live, SESSIONS)
    [waiting] = await one.settled("queued")
    assert waiting["reason"] == "address_refused"
    assert receiver.hooks == []


async def test_a_tenant_has_so_many_endpoints_and_no_more(desk: Desk, receiver: WebhookReceiver) -> None:
    """Each event is a row for each of them."""
    for _ in range(MAX_ENDPOINTS):
        await endpoint(desk, receiver.url)
    assert await desk.refused(creation(desk, receiver.url)) == RefusalCode.TOO_MANY_WEBHOOK_ENDPOINTS
