"""The way out to tenants' own servers, against servers that do what strangers' servers may do."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from services.notifier.adapters.webhook_http import WebhookPoster
from services.notifier.adapters.webhook_signing import new_webhook_secret, signed_headers
from services.notifier.domain.webhook import Answered, Unanswered
from shared.clock import host_now
from shared.ids import new_id
from shared.secret import Secret
from tests.support.webhook_receiver import WebhookReceiver

BODY = '{"type": "login.decided", "data": {"reason": "größer"}}'.encode()
PATIENT = dt.timedelta(seconds=15)  # with whoever answers; a busy machine


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    """A server of this test's own."""
    async with WebhookReceiver() as server:
        yield server


@pytest.fixture
async def poster() -> AsyncIterator[WebhookPoster]:
    """As for a sandbox in development."""
    async with WebhookPoster(is_local=True, connections=8, timeout=PATIENT) as way_out:
        yield way_out


@pytest.fixture
async def strict() -> AsyncIterator[WebhookPoster]:
    """As for a live tenant."""
    async with WebhookPoster(is_local=False, connections=8, timeout=PATIENT) as way_out:
        yield way_out


async def test_what_is_signed_is_what_arrives(receiver: WebhookReceiver, poster: WebhookPoster) -> None:
    """Checked with the library that receivers use, with the old secret and with the new one."""
    old, new, event_id = new_webhook_secret(), new_webhook_secret(), new_id()
    headers = signed_headers([new, old], event_id=event_id, at=host_now(), body=BODY)
    assert await poster.post(Secret(receiver.url + "/hooks"), body=BODY, headers=headers) == Answered(status=204)
    [hook] = receiver.hooks
    assert hook.body == BODY
    assert (hook.id, hook.headers["content-type"]) == (str(event_id), "application/cloudevents+json")
    for secret in (old, new):
        assert hook.checked(secret.reveal())["type"] == "login.decided"


async def test_a_redirect_is_not_followed(receiver: WebhookReceiver, poster: WebhookPoster) -> None:
    """It may lead to the metadata service, with our signature in hand."""
    receiver.then.append(web.Response(status=307, headers={"Location": receiver.url + "/elsewhere"}))
    assert await poster.post(Secret(receiver.url), body=BODY, headers={}) == Answered(status=307)
    assert [hook.path for hook in receiver.hooks] == ["/"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1", "2130706433"])
async def test_a_live_tenant_does_not_reach_this_machine(
    host: str, receiver: WebhookReceiver, strict: WebhookPoster
) -> None:
    """Refused by its text already."""
    port = receiver.url.rpartition(":")[2]
    for scheme in ("https", "http"):
        outcome = await strict.post(Secret(f"{scheme}://{host}:{port}/"), body=BODY, headers={})
        assert outcome == Unanswered(reason="address_refused")
    assert receiver.hooks == []


@pytest.mark.parametrize("name", ["0x7f.0.0.1", "0177.0.0.1", "localhost."])
async def test_a_name_for_this_machine_is_refused_when_its_address_is_known(
    name: str, receiver: WebhookReceiver, strict: WebhookPoster
) -> None:
    """Names that look public and resolve to us are the usual way in; it is the socket's address that is judged."""
    port = receiver.url.rpartition(":")[2]
    outcome = await strict.post(Secret(f"https://{name}:{port}/"), body=BODY, headers={})
    assert isinstance(outcome, Unanswered)
    assert outcome.reason in ("address_refused", "name_not_resolved")
    assert receiver.hooks == []


async def test_a_server_that_says_nothing_is_left_after_a_while(receiver: WebhookReceiver) -> None:
    """A place in the house is held for so long and no longer."""
    async with WebhookPoster(is_local=True, connections=8, timeout=dt.timedelta(seconds=2)) as poster:
        assert await poster.post(Secret(receiver.url + "/slow"), body=BODY, headers={}) == Unanswered(reason="timeout")


async def test_nobody_there_is_told_as_that(receiver: WebhookReceiver, poster: WebhookPoster) -> None:
    """So that the tenant sees which part does not work."""
    url = receiver.url
    await receiver.__aexit__(None, None, None)
    assert await poster.post(Secret(url), body=BODY, headers={}) == Unanswered(reason="connect")


async def test_an_endless_answer_is_not_read(poster: WebhookPoster) -> None:
    """The status says all; a body without an end would hold memory and the place."""
    gone = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x" * 65_536)
        except (ConnectionError, asyncio.CancelledError):
            gone.set()
            raise

    app = web.Application()
    app.router.add_post("/", endless)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = Secret(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        assert await poster.post(url, body=BODY, headers={}) == Answered(status=200)
        async with asyncio.timeout(30):
            await gone.wait()
    finally:
        await runner.cleanup()


async def test_a_proxy_of_the_environment_is_not_used(
    receiver: WebhookReceiver, poster: WebhookPoster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would open the connection in our place, to an address that nobody has judged."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert await poster.post(Secret(receiver.url), body=BODY, headers={}) == Answered(status=204)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("120", 120), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", None), ("-5", None), ("9" * 30, 999_999_999)],
)
async def test_retry_after_is_read_in_both_forms(
    value: str, expected: int | None, receiver: WebhookReceiver, poster: WebhookPoster
) -> None:
    """RFC 9110, 10.2.3; what is neither says nothing."""
    receiver.then.append(web.Response(status=503, headers={"Retry-After": value}))
    outcome = await poster.post(Secret(receiver.url), body=BODY, headers={})
    wait = None if expected is None else dt.timedelta(seconds=expected)
    assert outcome == Answered(status=503, retry_after=wait)
