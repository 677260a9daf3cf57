"""The SMS adapter, through Twilio's own SDK, against a server that speaks the Messages API."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from services.cli.simulators.twilio import TwilioSimulator
from services.cli.simulators.twilio_script import (
    INVALID_NUMBER,
    NOT_MOBILE,
    NOT_OUR_SENDER,
    THROTTLED,
    Behaviour,
    FailAfterSending,
    Garble,
    Hang,
    HangUp,
    Reject,
)
from services.notifier.adapters.twilio_receipts import is_genuine
from services.notifier.adapters.twilio_sms import TwilioSender, TwilioSettings
from services.notifier.domain.delivery import Accepted, Misconfigured, Refused, SendOutcome, Unknown
from shared.secret import Secret

ACCOUNT = "AC" + "0" * 32
TOKEN = Secret("the account's token")
PERSON = Secret("+4915112345678")
SENDER = "+15005550006"
TEXT = "123456 is your code: Grüße\n\n@desk.test #123456"


@pytest.fixture
async def twilio() -> AsyncIterator[TwilioSimulator]:
    """A provider of this test's own."""
    async with TwilioSimulator(account_sid=ACCOUNT, auth_token=TOKEN) as server:
        yield server


@pytest.fixture
async def sender(twilio: TwilioSimulator) -> AsyncIterator[TwilioSender]:
    """The adapter, pointed at that provider."""
    async with TwilioSender(settings(twilio)) as client:
        yield client


def settings(
    twilio: TwilioSimulator, *, token: Secret[str] = TOKEN, timeout: dt.timedelta = dt.timedelta(seconds=15)
) -> TwilioSettings:
    """What leads to ``twilio``."""
    return TwilioSettings(account_sid=ACCOUNT, auth_token=token, base_url=twilio.base_url, timeout=timeout)


async def test_a_text_arrives_as_it_was_rendered(twilio: TwilioSimulator, sender: TwilioSender) -> None:
    """The last line binds the code to the site: a lost line break loses the protection."""
    outcome = await sender.send(TEXT, to=PERSON, sender=SENDER, validity=dt.timedelta(minutes=10))

    (sms,) = twilio.messages
    assert outcome == Accepted(provider_id=sms.sid)
    assert (sms.to, sms.sender, sms.body) == (PERSON.reveal(), SENDER, TEXT)
    assert (sms.validity_period, sms.status_callback) == (600, None)


async def test_a_messaging_service_can_be_the_sender(twilio: TwilioSimulator, sender: TwilioSender) -> None:
    """Big accounts send through a pool of numbers, which the API takes in another field."""
    service = "MG" + "1" * 32

    assert isinstance(await sender.send(TEXT, to=PERSON, sender=service), Accepted)
    assert twilio.messages[0].sender == service


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (Reject(400, 21211), Refused(code="21211", is_permanent=True)),
        (Reject(400, 21610), Refused(code="21610", is_permanent=True)),
        (Reject(400, 21614), Refused(code="21614", is_permanent=True)),
        (Reject(400, 30003), Refused(code="30003", is_permanent=True)),
        (Reject(400, 99999), Refused(code="99999", is_permanent=True)),
        (THROTTLED, Refused(code="20429", is_permanent=False, retry_after=dt.timedelta(seconds=7))),
        (Reject(429, 20429), Refused(code="20429", is_permanent=False)),
        (
            Reject(429, 20429, retry_after=10**8),
            Refused(code="20429", is_permanent=False, retry_after=dt.timedelta(hours=1)),
        ),
        (Reject(400, 21611), Refused(code="21611", is_permanent=False)),
        (Reject(401, 20003), Misconfigured(reason="20003")),
        (Reject(403, 20005), Misconfigured(reason="20005")),
        (Reject(400, 21606), Misconfigured(reason="21606")),
        (FailAfterSending(500), Unknown(reason="500")),
        (FailAfterSending(503), Unknown(reason="503")),
        (FailAfterSending(302), Misconfigured(reason="redirected")),
        (HangUp(), Unknown(reason="disconnected")),
        (Garble(), Unknown(reason="unreadable_answer")),
    ],
)
async def test_each_answer_has_its_outcome(
    twilio: TwilioSimulator, sender: TwilioSender, behaviour: Behaviour, expected: SendOutcome
) -> None:
    """The outcome decides whether a person gets a code later, never, perhaps twice, or an operator gets woken."""
    twilio.then(behaviour)

    assert await sender.send(TEXT, to=PERSON, sender=SENDER) == expected
    assert twilio.requests == 1  # Twilio has no idempotency key: a second POST is a second SMS


async def test_the_next_text_goes_out_after_a_fault(twilio: TwilioSimulator, sender: TwilioSender) -> None:
    """One bad answer must not leave the connection or the client in a bad state."""
    twilio.then(HangUp(), THROTTLED)
    outcomes = [await sender.send(TEXT, to=PERSON, sender=SENDER) for _ in range(3)]

    assert isinstance(outcomes[2], Accepted)


async def test_the_timeout_is_kept(twilio: TwilioSimulator) -> None:
    """The SDK's own client waits without end, which would hold a delivery's lease for ever."""
    twilio.then(Hang())
    async with TwilioSender(settings(twilio, timeout=dt.timedelta(seconds=2))) as sender:
        async with asyncio.timeout(30):
            assert await sender.send(TEXT, to=PERSON, sender=SENDER) == Unknown(reason="timeout")


async def test_a_provider_that_is_down_is_a_passing_fault(twilio: TwilioSimulator, sender: TwilioSender) -> None:
    """Nothing was handed over, so the text may be tried again without the risk of a second one."""
    await twilio.stop()
    assert await sender.send(TEXT, to=PERSON, sender=SENDER) == Refused(code="connect", is_permanent=False)

    await twilio.start()
    assert isinstance(await sender.send(TEXT, to=PERSON, sender=SENDER), Accepted)


async def test_a_wrong_token_stops_the_channel(twilio: TwilioSimulator) -> None:
    """Every text would fail alike: counting tries would turn a typo in a setting into lost codes."""
    async with TwilioSender(settings(twilio, token=Secret("another"))) as sender:
        assert await sender.send(TEXT, to=PERSON, sender=SENDER) == Misconfigured(reason="20003")

    assert twilio.messages == []


@pytest.mark.parametrize(
    ("to", "origin", "expected"),
    [
        (INVALID_NUMBER, SENDER, Refused(code="21211", is_permanent=True)),
        ("not a number", SENDER, Refused(code="21211", is_permanent=True)),
        (NOT_MOBILE, SENDER, Refused(code="21614", is_permanent=True)),
        (PERSON.reveal(), NOT_OUR_SENDER, Misconfigured(reason="21606")),
    ],
)
async def test_the_simulator_refuses_what_twilio_refuses(
    sender: TwilioSender, to: str, origin: str, expected: SendOutcome
) -> None:
    """An integrator finds out at the desk, not in production."""
    assert await sender.send(TEXT, to=Secret(to), sender=origin) == expected


@pytest.mark.parametrize(("error", "last"), [(None, "delivered"), (30003, "undelivered")])
async def test_receipts_arrive_in_order_and_signed(
    twilio: TwilioSimulator, sender: TwilioSender, error: int | None, last: str
) -> None:
    """Whether a code arrived is known from receipts alone, and anybody can post to their URL."""
    twilio.undeliverable = error
    received: list[dict[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        params = {name: str(value) for name, value in (await request.post()).items()}
        assert is_genuine(str(request.url), params, request.headers["X-Twilio-Signature"], TOKEN)
        received.append(params)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/callbacks", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/callbacks?delivery=0190"
    try:
        outcome = await sender.send(TEXT, to=PERSON, sender=SENDER, status_callback=url)
        final = await twilio.wait_for_receipt(lambda receipt: receipt.status == last)
    finally:
        await runner.cleanup()

    assert outcome == Accepted(provider_id=final.sid)
    assert final.answered == 204
    assert [each["MessageStatus"] for each in received] == ["queued", "sent", last]
    assert received[-1].get("ErrorCode") == (str(error) if error else None)


def test_a_receipt_is_taken_with_twilios_signature_only() -> None:
    """A forged receipt could hide that a code never arrived. URL, fields and token are all signed."""
    # The worked example of Twilio's documentation on webhook security.
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    params = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+12349013030",
        "Digits": "1234",
        "From": "+12349013030",
        "To": "+18005551212",
    }
    signature = "0/KCTR6DLpKmkAf8muzZqo1nDgQ="
    token = Secret("12345")

    assert is_genuine(url, params, signature, token)
    assert not is_genuine(url, {**params, "Digits": "1235"}, signature, token)
    assert not is_genuine(url.replace("foo=1", "foo=2"), params, signature, token)
    assert not is_genuine(url, params, signature, Secret("12346"))
    assert not is_genuine(url, params, "", token)


async def test_receipts_go_to_this_machine_only(twilio: TwilioSimulator, sender: TwilioSender) -> None:
    """A simulator that posts anywhere is a way to make this machine post anywhere."""
    outcome = await sender.send(TEXT, to=PERSON, sender=SENDER, status_callback="http://desk.example/callbacks")

    assert outcome == Misconfigured(reason="21609")
    assert twilio.messages == []


@pytest.mark.parametrize("url", ["http://api.twilio.com", "ftp://127.0.0.1", "http://192.0.2.1:8080"])
def test_the_token_is_not_sent_readable(url: str) -> None:
    """A slip in the settings must not hand the account to whoever listens."""
    with pytest.raises(ValueError, match="https"):
        TwilioSettings(account_sid=ACCOUNT, auth_token=TOKEN, base_url=url)


def test_the_simulator_listens_on_loopback_only() -> None:
    """It shows codes to whoever asks."""
    with pytest.raises(ValueError, match="loopback"):
        TwilioSimulator(account_sid=ACCOUNT, auth_token=TOKEN, host="192.0.2.1")
