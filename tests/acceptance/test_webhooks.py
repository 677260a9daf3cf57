"""A helpdesk hears of what happens without asking: made, signed, rotated, tried, redelivered, through HTTP."""

from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import WebhookVerificationError

from services.cli.demo.world import World
from tests.support.eventually import eventually
from tests.support.people import open_world
from tests.support.stack import Stack
from tests.support.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.acceptance

ENDPOINTS = "/v1/webhook-endpoints"


async def _made(world: World, url: str, *events: str) -> dict[str, Any]:
    body = {"url": url, "events": list(events or ("*",))}
    made: dict[str, Any] = await world.helpdesk.call("POST", ENDPOINTS, body, expect=201)
    return made


async def _put(world: World, account_id: str) -> None:
    await world.helpdesk.call("PUT", f"/v1/accounts/{account_id}", {"role": "agent"})


async def _deliveries(world: World, made: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    answer = await world.helpdesk.call("GET", f"{ENDPOINTS}/{made['id']}/deliveries{query}")
    found: list[dict[str, Any]] = answer["data"]
    return found


async def test_what_happens_is_told_as_the_feed_tells_it(stack: Stack) -> None:
    """Signed for the endpoint; the same event, under the same id, is in the feed for whoever missed it."""
    async with open_world(stack) as world, WebhookReceiver() as receiver:
        made = await _made(world, receiver.url + "/hooks", "account.*")
        assert made["secret"].startswith("whsec_")
        await _put(world, "ann")

        [hook] = await receiver.wait_for(lambda _: True)
        event = hook.checked(made["secret"])
        assert (event["type"], event["subject"], event["tenantid"]) == ("account.upserted", "ann", str(world.tenant_id))
        feed = await eventually(
            lambda: world.helpdesk.call("GET", "/v1/events?limit=100"),
            lambda answer: event["id"] in {each["id"] for each in answer["data"]},
        )
        [same] = [each for each in feed["data"] if each["id"] == event["id"]]
        assert {name: value for name, value in same.items() if name != "sequence"} == event
        [delivery] = await eventually(
            lambda: _deliveries(world, made), lambda found: [each["state"] for each in found] == ["delivered"]
        )
        assert (delivery["event_id"], delivery["attempts"], delivery["status"]) == (event["id"], 1, 204)


async def test_what_failed_comes_again_by_itself_and_when_asked_for(stack: Stack) -> None:
    """After five seconds for the first time; and once more whenever the helpdesk wants it."""
    async with open_world(stack) as world, WebhookReceiver() as receiver:
        made = await _made(world, receiver.url, "account.upserted")
        receiver.then.append(web.Response(status=503))
        await _put(world, "ann")
        first, second = await receiver.wait_for(lambda _: True, count=2)
        assert first.id == second.id
        [delivery] = await eventually(
            lambda: _deliveries(world, made, "?state=delivered"), lambda found: len(found) == 1
        )
        assert delivery["attempts"] == 2

        path = f"/v1/webhook-deliveries/{delivery['id']}/redeliver"
        again = await world.helpdesk.call("POST", path, {}, expect=202)
        assert again["state"] == "queued"
        third = (await receiver.wait_for(lambda _: True, count=3))[-1]
        assert third.id == first.id
        assert third.checked(made["secret"]) == first.checked(made["secret"])


async def test_a_secret_is_replaced_without_losing_an_event(stack: Stack) -> None:
    """For a day either secret checks what comes; a trial shows that the new one works."""
    async with open_world(stack) as world, WebhookReceiver() as receiver:
        made = await _made(world, receiver.url, "login.decided")
        path = f"{ENDPOINTS}/{made['id']}"
        rotated = await world.helpdesk.call("POST", f"{path}/rotate-secret", {})
        trial = await world.helpdesk.call("POST", f"{path}/test", {}, expect=202)
        [hook] = await receiver.wait_for(lambda _: True)
        assert hook.id == trial["event_id"]
        assert hook.checked(made["secret"]) == hook.checked(rotated["secret"])
        with pytest.raises(WebhookVerificationError):
            hook.checked("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        shown = await world.helpdesk.call("GET", path)
        assert "secret" not in shown
        assert shown["previous_secret_until"] is not None


async def test_an_endpoint_that_is_gone_is_disabled_until_it_is_enabled_again(stack: Stack) -> None:
    """410 is the receiver's own word; the feed says what happened."""
    async with open_world(stack) as world, WebhookReceiver() as receiver:
        made = await _made(world, receiver.url, "account.upserted")
        path = f"{ENDPOINTS}/{made['id']}"
        receiver.then.append(web.Response(status=410))
        await _put(world, "ann")
        shown = await eventually(lambda: world.helpdesk.call("GET", path), lambda shown: not shown["enabled"])
        assert shown["disabled_reason"] == "gone"
        status, problem, _ = await world.helpdesk.ask("POST", f"{path}/test", {})
        assert (status, problem["code"]) == (409, "webhook_endpoint_disabled")
        await eventually(
            lambda: world.helpdesk.call("GET", "/v1/events?limit=100"),
            lambda answer: "webhook_endpoint.disabled" in {each["type"] for each in answer["data"]},
        )

        assert (await world.helpdesk.call("PATCH", path, {"enabled": True}))["enabled"] is True
        await _put(world, "bob")
        hook = (await receiver.wait_for(lambda _: True, count=2))[-1]
        assert hook.checked(made["secret"])["subject"] == "bob"


async def test_pages_lists_and_the_end_of_an_endpoint(stack: Stack) -> None:
    """What an admin's page shows; what is deleted is found by nobody."""
    async with open_world(stack) as world, WebhookReceiver() as receiver:
        made = await _made(world, receiver.url, "account.upserted")
        path = f"{ENDPOINTS}/{made['id']}"
        for account_id in ("ann", "bob", "cy"):
            await _put(world, account_id)
        await eventually(lambda: _deliveries(world, made, "?state=delivered"), lambda found: len(found) == 3)
        first = await world.helpdesk.call("GET", f"{path}/deliveries?limit=2")
        rest = await world.helpdesk.call("GET", f"{path}/deliveries?limit=2&cursor={first['next_cursor']}")
        assert (first["has_more"], rest["has_more"]) == (True, False)
        assert len({each["id"] for each in [*first["data"], *rest["data"]]}) == 3
        assert [each["id"] for each in (await world.helpdesk.call("GET", ENDPOINTS))["data"]] == [made["id"]]

        assert await world.helpdesk.call("DELETE", path) == {"id": made["id"]}
        for method, gone in (("GET", path), ("DELETE", path), ("GET", f"{path}/deliveries")):
            status, problem, _ = await world.helpdesk.ask(method, gone)
            assert (status, problem["code"]) == (404, "webhook_endpoint_not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "https://169.254.169.254/latest"}, "webhook_url_refused"),
        ({"url": "http://desk.acme.example/"}, "webhook_url_refused"),
        ({"url": "ftp://desk.acme.example/"}, "validation_failed"),
        ({"url": "https://desk.acme.example/", "events": ["login.decidet"]}, "validation_failed"),
        ({"url": "https://desk.acme.example/", "events": []}, "validation_failed"),
    ],
)
async def test_an_endpoint_that_would_never_hear_anything_is_refused(
    stack: Stack, body: dict[str, object], code: str
) -> None:
    """Told at once, with a code, and without repeating what was sent."""
    async with open_world(stack) as world:
        status, problem, _ = await world.helpdesk.ask("POST", ENDPOINTS, body)
        assert (status, problem["code"]) == (422, code)
        assert str(body["url"]) not in str(problem)
