"""A tenant's own server that is away, slow or refuses: what each of its answers leads to."""

import datetime as dt
from uuid import UUID

import pytest
from aiohttp import web

from services.notifier.domain.webhook import MAX_WAITING, OFFSETS
from services.notifier.handlers.webhook_outcomes import release_webhooks
from shared.clock import host_now
from shared.contracts.commands import (
    ChangeWebhookEndpoint,
    RedeliverWebhook,
    TryWebhookEndpoint,
)
from shared.contracts.replies import RefusalCode
from shared.contracts.types import WebhookDeliveryId
from tests.handlers.notifier.conftest import Desk
from tests.support.eventually import eventually
from tests.support.webhook_receiver import WebhookReceiver
from tests.support.webhooks import LOW, SESSIONS, UPSERTED, due_now, endpoint, happen, said

pytestmark = pytest.mark.usefixtures("posting")


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
