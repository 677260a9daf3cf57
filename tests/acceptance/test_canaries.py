"""The story with values that are known, and a search for them in everything that was written on the way.

A code, a seed, a token, a key or a full address is sealed, or with its owner, and nowhere else.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from services.cli.demo.helpdesk import Helpdesk, Json
from services.cli.demo.narrator import SilentNarrator
from services.cli.demo.story.contents import STORY
from services.cli.demo.telling import tell
from services.cli.demo.world import World
from shared.secret import Secret
from tests.support.overhearing import Overhearing
from tests.support.people import enrolled, open_world
from tests.support.prompt_browser import PromptBrowser
from tests.support.rabbitmq import Rabbit
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

TYPED = "hunter2-canary"  # a password, where a code belongs
MADE_UP_KEY = "df_test_canary0123456789"
MADE_UP_TOKEN = "canary-token-0123456789"
CONFIDED = {
    *("seed", "seed_grouped", "uri", "token", "assertion", "key"),
    *("backup_code", "recovery_code", "trusted_device_token"),
}
LONG = 12  # characters; what is shorter may stand anywhere by chance, unless it stands alone
_CODE = re.compile(r"\b\d{6}\b")
_LINK = re.compile(r"/recovery/cancel\S+token=([\w.-]+)")
_INSTANT = re.compile(r"\d\d:\d\d:\d\d\.\d{6}")


class Backend(Helpdesk):
    """A helpdesk's backend that remembers what it was told in confidence."""

    def __init__(self, base_url: str, api_key: Secret[str], *, domain: str) -> None:
        super().__init__(base_url, api_key, domain=domain)
        self.confided = {api_key.reveal()}

    async def send(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> tuple[int, Json, Mapping[str, str]]:
        """As every backend."""
        status, document, headers = await super().send(method, path, body, key=key)
        self.confided |= {*confided_in(body), *confided_in(document)}
        return status, document, headers


def confided_in(document: object) -> Iterator[str]:
    """What a request or an answer holds that is nobody else's."""
    if isinstance(document, list):
        for each in document:
            yield from confided_in(each)
    if not isinstance(document, dict):
        return
    for name, value in document.items():
        if isinstance(value, str):
            is_key = name == "recovery_key" and len(value) >= LONG  # shorter ones are a policy's choice
            yield from [value] if name in CONFIDED or is_key or (name == "code" and _CODE.fullmatch(value)) else []
        elif name == "backup_codes" and isinstance(value, list):
            yield from value
        else:
            yield from confided_in(value)


def delivered(stack: Stack) -> Iterator[str]:
    """What people were sent: codes, links, and where to."""
    for mail in stack.mailbox.messages:
        yield from (mail.to, *_CODE.findall(mail.subject), *_LINK.findall(mail.text))
    for sms in stack.phones.messages:
        yield from (sms.to, sms.to.removeprefix("+44"), *_CODE.findall(sms.body), *_LINK.findall(sms.body))


def forms(value: str) -> Iterator[str]:
    """A long value as it is, without its dashes, in hexadecimal, and in base64 wherever it begins."""
    yield from (value, re.sub(r"[\s-]", "", value), value.encode().hex())
    for shift in range(3):
        packed = base64.b64encode(bytes(shift) + value.encode()).decode()[4 if shift else 0 : -4]
        yield from (packed, packed.replace("+", "-").replace("/", "_"))


def places_of(values: Iterable[str], places: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Where a value stands, and how it begins; the value itself is for no report either."""
    long = [(value, [form for form in forms(value) if len(form) >= LONG]) for value in values if len(value) >= LONG]
    short = "|".join(re.escape(value) for value in values if len(value) < LONG) or "(?!)"
    alone = re.compile(rf"(?<![\w.-])(?:{short})(?![\w-])")
    seen = set()
    for place, text in places:
        seen |= {(place, value[:3]) for value, written in long if any(form in text for form in written)}
        seen |= {(place, found[0][:3]) for found in alone.finditer(_INSTANT.sub("", text))}
    return seen


async def mistakes_and_changes(world: World, browser: aiohttp.ClientSession) -> None:
    """What the story leaves out."""
    helpdesk = world.helpdesk
    eve = await enrolled(helpdesk, "eve")
    login = await helpdesk.login("eve", trusted_device_token=MADE_UP_TOKEN)
    verify = f"/v1/challenges/{login['challenge']['id']}/verify"
    await helpdesk.refused("POST", verify, {"code": TYPED}, "code_malformed")
    await helpdesk.refused("POST", verify, {"backup_code": TYPED}, "code_malformed")
    for key in (MADE_UP_KEY, f"{MADE_UP_KEY}\xff"):
        async with browser.get("/v1/policy", headers={"Authorization": f"Bearer {key}"}) as refused:
            assert refused.status == 401
    await helpdesk.call("POST", "/v1/api-keys", {"name": "another", "scopes": ["logins"]}, expect=201)
    step_up = (await helpdesk.login("eve", purpose="step_up"))["challenge"]
    await helpdesk.verify(step_up, backup_code=eve.backup_codes[0])
    await helpdesk.call("PUT", "/v1/policy", {"recovery_key": "beside"})
    made = await helpdesk.call("POST", "/v1/accounts/eve/backup-codes", {"proof": step_up["id"]}, expect=201)
    challenge = (await helpdesk.login("eve"))["challenge"]
    await helpdesk.verify(challenge, recovery_key=made["recovery_key"])
    by_admin = {"actor": "root", "reason": "on the phone"}
    stand_in = await helpdesk.call("POST", "/v1/accounts/eve/recovery-codes", by_admin, expect=201)
    challenge = (await helpdesk.login("eve"))["challenge"]
    await helpdesk.verify(challenge, recovery_code=stand_in["recovery_code"])
    await helpdesk.call("GET", "/v1/sandbox/messages?limit=100")
    [link, *_] = re.findall(r"/recovery/cancel\S+", "\n".join(mail.text for mail in world.mailbox.messages))
    async with browser.get(link) as shown:
        assert shown.status == 200


async def on_hosted_pages(world: World, stack: Stack) -> set[str]:
    """A sign-in by a browser that is sent here; what its addresses, its cookie and its forms held."""
    settings = {"name": "Acme Helpdesk", "return_urls": ["https://help.acme.example/in"]}
    await world.helpdesk.call("PUT", "/v1/tenant", settings)
    zoe = await enrolled(world.helpdesk, "zoe")
    login = await world.helpdesk.login(
        "zoe", return_url="https://help.acme.example/in", state="canary-state-0123456789"
    )
    async with PromptBrowser(stack.url) as browser:
        page = await browser.get(login["prompt_url"])
        refused = await browser.send(page.form(), code=TYPED)
        paper = await browser.get(refused.links["Use a backup code"])
        home = (await browser.send(paper.form(), code=zoe.backup_codes[0])).said_home
        cookies = [value.partition(".")[2] for value in browser.cookies.values()]
    await world.helpdesk.call("POST", "/v1/assertions/redeem", {name: home[name] for name in ("code", "challenge_id")})
    [token] = parse_qs(urlsplit(login["prompt_url"]).query)["token"]
    return {token, home["code"], paper.form()[1]["form_token"], zoe.backup_codes[0], *cookies}


async def test_no_secret_stands_anywhere_in_clear(stack: Stack, request: pytest.FixtureRequest) -> None:
    """Who reads queues, tables and logs at night, or a copy of them, signs in as nobody."""
    rabbit: Rabbit | None = request.getfixturevalue("rabbit") if stack.bus == "rabbitmq" else None
    async with (
        open_world(stack, backend=Backend) as world,
        aiohttp.ClientSession(stack.url) as browser,
        Overhearing(stack, rabbit) as overheard,
    ):
        await tell(STORY, world, SilentNarrator())
        await mistakes_and_changes(world, browser)
        of_pages = await on_hosted_pages(world, stack)
    assert isinstance(world.helpdesk, Backend)
    secrets = {*world.helpdesk.confided, *of_pages, *delivered(stack), TYPED, MADE_UP_KEY, MADE_UP_TOKEN} - {""}

    places = dict(overheard.texts())
    assert places.keys() >= {"bus.outbox", "bus.answers", "otp.factors", "notifier.deliveries", "log of gateway"}
    assert {"bus.requests", "bus.replies"} <= places.keys() or any(place.startswith("broker") for place in places)
    assert '"eve"' in places["bus.outbox"]  # what is no secret is found
    assert sum(_CODE.fullmatch(value) is not None for value in secrets) >= 8
    assert sum(len(value) >= LONG for value in secrets) > 40
    assert places_of(secrets, places.items()) == set()


@pytest.mark.parametrize(
    "text",
    [
        '{"code":"314159"}',
        "314159 is your code",
        "seed=JBSWY3DPEHPK3PXP",
        f"x{base64.b64encode(b'..JBSWY3DPEHPK3PXP..').decode()}",
        b"JBSWY3DPEHPK3PXP".hex(),
    ],
)
def test_the_search_finds_what_is_there(text: str) -> None:
    """A search that finds nothing must be able to find something."""
    assert len(places_of({"314159", "JBSWY3DPEHPK3PXP"}, [("here", text)])) == 1


@pytest.mark.parametrize(
    "text", ["2027-01-31T09:30:00.314159+00:00", "01990000-0000-7000-8000-314159314159", "0.314159"]
)
def test_the_search_does_not_take_every_number_for_a_code(text: str) -> None:
    """Six digits are rare enough to be told from instants, ids and durations."""
    assert places_of({"314159"}, [("here", text)]) == set()
