"""Where a tenant's events go: endpoints that are made, changed, deleted and refused."""

import pytest
from aiohttp import web

from services.notifier.domain.webhook import MAX_ENDPOINTS
from shared.contracts.commands import (
    ChangeWebhookEndpoint,
    DeleteWebhookEndpoint,
    ReadWebhookEndpoints,
    TryWebhookEndpoint,
)
from shared.contracts.replies import RefusalCode
from tests.handlers.notifier.conftest import Desk, OpenDesk
from tests.support.tenants import new_tenant
from tests.support.webhook_receiver import WebhookReceiver
from tests.support.webhooks import LOW, SESSIONS, creation, endpoint, happen, said, sealed_url

pytestmark = pytest.mark.usefixtures("posting")


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
