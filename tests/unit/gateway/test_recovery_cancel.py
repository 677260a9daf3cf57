"""The page behind "this was not me": GET shows, POST acts, and neither trusts what it is given."""

import datetime as dt
import re
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest
from aiohttp import FormData, web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.middleware import DEADLINE
from services.gateway.prompt.recovery_cancel import PATH, RecoveryCancelPage
from services.gateway.prompt.rendering import Pages
from services.gateway.replies import Asker
from shared.clock import host_now
from shared.contracts.codec import decode
from shared.contracts.commands import CancelRecovery, Request
from shared.contracts.envelope import Envelope
from shared.contracts.replies import RefusalCode
from shared.crypto.keyring import KEY_BYTES, KeyRing
from shared.crypto.sealing import typed_place, unseal
from shared.messaging.answering import seal_answer
from shared.messaging.bus import Outgoing, PublishOutcome, Receive
from shared.messaging.outcome import Done, Outcome, refuse
from shared.messaging.topology import Lane

TENANT, RECOVERY = UUID(int=1), UUID(int=2)
ANSWERS = KeyRing("seal.gateway", "k1", {"k1": bytes(KEY_BYTES)})
TOKENS = KeyRing("seal.policy", "k1", {"k1": b"\1" * KEY_BYTES})
LINK = {"tenant": str(TENANT), "request": str(RECOVERY), "token": "k1.c2VjcmV0"}


class Policy:
    """A transport with policy at its end, which says what it was told to say."""

    def __init__(self) -> None:
        self.asked: list[Envelope[Request]] = []
        self.outcome: Outcome = Done()

    async def request(self, lane: str, outgoing: Outgoing) -> bytes:
        envelope: Envelope[Request] = decode(outgoing.body)  # type: ignore[assignment]
        self.asked.append(envelope)
        return seal_answer(ANSWERS, envelope, self.outcome)

    async def publish(self, batch: Sequence[Outgoing]) -> list[PublishOutcome]:
        return [PublishOutcome.CONFIRMED for _ in batch]

    async def consume(self, lane: Lane, receive: Receive) -> None:
        """Nothing comes."""

    async def consume_dead(self, lanes: Sequence[Lane], receive: Receive) -> None:
        """Nothing comes."""

    async def stop_consuming(self) -> None:
        """Nothing came."""

    def is_up(self) -> bool:
        return True


class Up:
    is_database_up = True
    is_bus_up = True


@pytest.fixture
def policy() -> Policy:
    """Who decides."""
    return Policy()


@pytest.fixture
async def browser(policy: Policy) -> AsyncIterator["TestClient[web.Request, web.Application]"]:
    """The page, alone."""
    page = RecoveryCancelPage(Pages(), Asker(policy, Up(), ANSWERS), TOKENS, "")

    @web.middleware
    async def with_deadline(request: web.Request, handler: object) -> web.StreamResponse:
        request[DEADLINE] = host_now() + dt.timedelta(seconds=2)
        return await handler(request)  # type: ignore[operator,no-any-return]

    app = web.Application(middlewares=[with_deadline])
    app.router.add_get(PATH, page.show)
    app.router.add_post(PATH, page.act)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_opening_the_link_asks_nobody(
    browser: "TestClient[web.Request, web.Application]", policy: Policy
) -> None:
    """Scanners of mail open every link: a recovery must not stop, nor go on, because of them."""
    answer = await browser.get(PATH, params=LINK)
    text = await answer.text()
    assert answer.status == 200
    assert policy.asked == []
    assert 'method="post"' in text
    assert dict(re.findall(r'name="(\w+)" value="([^"]*)">\n', text)) == LINK


async def test_the_page_runs_nothing_and_is_framed_by_nobody(
    browser: "TestClient[web.Request, web.Application]",
) -> None:
    """A page whose one button matters must not be put under another's."""
    answer = await browser.get(PATH, params=LINK)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert "<script" not in await answer.text()


@pytest.mark.parametrize(("reason", "is_attack"), [("attack", True), ("found", False)])
async def test_a_button_stops_the_recovery(
    browser: "TestClient[web.Request, web.Application]", policy: Policy, reason: str, *, is_attack: bool
) -> None:
    """The token reaches policy sealed; only it can tell whether it is good."""
    answer = await browser.post(PATH, data=FormData({**LINK, "reason": reason}))
    assert answer.status == 200
    assert "was stopped" in await answer.text()
    command = policy.asked[0].data
    assert isinstance(command, CancelRecovery)
    assert (command.recovery_id, command.is_attack, policy.asked[0].tenant_id) == (RECOVERY, is_attack, TENANT)
    assert command.token is not None
    assert unseal(TOKENS, command.token, typed_place(TENANT, str(RECOVERY), "token")).reveal() == LINK["token"]


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        (RefusalCode.RECOVERY_NOT_FOUND, 404, "not valid"),
        (RefusalCode.RECOVERY_OVER, 409, "is over"),
        (RefusalCode.UNAVAILABLE, 503, "Not done yet"),
    ],
)
async def test_what_policy_refuses_is_told_as_it_is(
    browser: "TestClient[web.Request, web.Application]", policy: Policy, code: RefusalCode, status: int, says: str
) -> None:
    """Nobody may go away believing that the recovery was stopped when it was not."""
    policy.outcome = refuse(code)
    answer = await browser.post(PATH, data=FormData({**LINK, "reason": "found"}))
    assert answer.status == status
    assert says in await answer.text()


@pytest.mark.parametrize(
    "link",
    [
        {},
        {**LINK, "tenant": "1"},
        {**LINK, "request": '"><script>'},
        {**LINK, "token": '"><script>alert(1)</script>'},
        {**LINK, "token": "x" * 201},
    ],
)
async def test_a_link_that_is_none_is_refused_without_showing_it(
    browser: "TestClient[web.Request, web.Application]", policy: Policy, link: dict[str, str]
) -> None:
    """What stands in an address is anybody's text."""
    shown = await browser.get(PATH, params=link)
    acted = await browser.post(PATH, data=FormData(link))
    assert (shown.status, acted.status) == (404, 404)
    assert "alert" not in await shown.text()
    assert policy.asked == []
