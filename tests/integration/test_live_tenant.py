"""A live tenant from end to end: its codes go through the senders of real providers, and never into a sandbox."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from services.cli.simulators.mailbox import Mailbox
from services.cli.simulators.received_mail import ReceivedMail
from services.cli.simulators.twilio import ReceivedSms, TwilioSimulator
from shared.secret import Secret
from tests.support.api_client import Answer, Client, store_key
from tests.support.api_people import good
from tests.support.eventually import eventually
from tests.support.ports import own_ports
from tests.support.tenants import new_tenant
from tests.support.whole import whole

ACCOUNT_SID = "AC" + "1" * 32
AUTH_TOKEN = "the live account's token"
OUR_NUMBER = "+15005550006"
NUMBER = "+4915112345678"
ADDRESS = "ann@acme.example"
PASSWORD = {"method": "password"}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everybody, with a mail server and a provider of SMS for the live, and a mailbox for sandboxes."""

    dsn: str
    url: str
    session: aiohttp.ClientSession
    mail: Mailbox
    phones: TwilioSimulator
    sandbox_mail: Mailbox

    async def caller(self, *, is_sandbox: bool = False) -> Client:
        """A fresh tenant."""
        tenant_id = await new_tenant(self.dsn, is_sandbox=is_sandbox)
        key = await store_key(self.dsn, tenant_id, is_sandbox=is_sandbox)
        return Client(session=self.session, url=self.url, tenant_id=tenant_id, key=key)


@pytest.fixture(scope="module")
async def world(dsn: str, key_dir: Path) -> AsyncIterator[World]:
    """The whole product, its senders set up as an operator sets them up."""
    [port] = own_ports(1)
    url = f"http://127.0.0.1:{port}"
    sandbox_mail = Mailbox()
    token: Secret[str] = Secret(AUTH_TOKEN)
    async with (
        Mailbox(accounts={"deskfactor": "smtp-password"}) as mail,
        TwilioSimulator(account_sid=ACCOUNT_SID, auth_token=token) as phones,
        aiohttp.ClientSession() as session,
        whole(
            dsn,
            key_dir,
            sandbox_mail,
            gateway_settings={"port": port, "public_url": url},
            notifier_settings={
                "public_url": url,
                "smtp_host": mail.host,
                "smtp_port": mail.port,
                "smtp_tls": "none",
                "smtp_username": "deskfactor",
                "smtp_password": SecretStr("smtp-password"),
                "smtp_sender": "security@2fa.example",
                "twilio_account_sid": ACCOUNT_SID,
                "twilio_auth_token": SecretStr(AUTH_TOKEN),
                "twilio_sender": OUR_NUMBER,
                "twilio_url": phones.base_url,
            },
        ),
    ):
        yield World(dsn=dsn, url=url, session=session, mail=mail, phones=phones, sandbox_mail=sandbox_mail)


async def login(client: Client) -> Any:
    """Ann's challenge."""
    answer = await good(client, "POST", "/v1/logins", {"account_id": "ann", "first_factor": PASSWORD})
    assert answer["decision"] == "challenge"
    return answer["challenge"]


async def enrol(client: Client, body: dict[str, object]) -> str:
    """A pending factor; the path of its confirmation."""
    made = await good(client, "POST", "/v1/accounts/ann/factors", body)
    return f"/v1/accounts/ann/factors/{made['factor']['id']}/confirm"


async def mailed_code(mailbox: Mailbox, *used: str) -> str:
    """The code of the first mail to ann that brings another one than those."""

    def new_code(mail: ReceivedMail) -> str | None:
        found = re.match(r"\d{6}", mail.subject)
        return found[0] if found and found[0] not in used and mail.to == ADDRESS else None

    code = new_code(await mailbox.wait_for(lambda mail: new_code(mail) is not None))
    assert code is not None
    return code


async def texted_code(phones: TwilioSimulator, sender: str, *used: str) -> str:
    """The code of the first text from this sender that brings another one than those."""

    def new_code(sms: ReceivedSms) -> str | None:
        found = re.search(r"\b\d{6}\b", sms.body)
        return found[0] if found and found[0] not in used and sms.sender == sender else None

    code = new_code(await phones.wait_for(lambda sms: new_code(sms) is not None))
    assert code is not None
    return code


async def test_codes_of_a_live_tenant_go_through_its_providers(world: World) -> None:
    """Mail with a login at the mail server, SMS under the tenant's own name, and receipts that come back signed."""
    client, of_sandboxes = await world.caller(), len(world.sandbox_mail.messages)
    await good(client, "PUT", "/v1/tenant", {"name": "Acme", "from_name": "Acme Support", "sms_sender": "ACME"})
    await good(client, "PUT", "/v1/accounts/ann", {"role": "agent", "email": ADDRESS, "email_verified": True})

    confirm = await enrol(client, {"type": "email"})
    enrolling = await mailed_code(world.mail)
    await good(client, "POST", confirm, {"code": enrolling})
    assert world.mail.messages[0].headers["From"] == "Acme Support <security@2fa.example>"
    challenge = await login(client)
    signing_in = await mailed_code(world.mail, enrolling)
    await good(client, "POST", f"/v1/challenges/{challenge['id']}/verify", {"code": signing_in})

    confirm = await enrol(client, {"type": "sms", "destination": NUMBER, "proof": challenge["id"]})
    confirming = await texted_code(world.phones, "ACME")
    confirmed = await good(client, "POST", confirm, {"code": confirming})
    assert {sms.to for sms in world.phones.messages if sms.sender == "ACME"} == {NUMBER}
    challenge = await login(client)
    assert challenge["sent_to"] == confirmed["factor"]["id"]
    code = await texted_code(world.phones, "ACME", confirming)

    def has_arrived(answer: Answer) -> bool:
        return [each["state"] for each in answer.json["deliveries"] or ()] == ["delivered"]

    await eventually(lambda: client.call("GET", f"/v1/challenges/{challenge['id']}"), has_arrived)
    passed = await good(client, "POST", f"/v1/challenges/{challenge['id']}/verify", {"code": code})
    assert passed["method"] == "sms"
    assert (await client.call("GET", "/v1/sandbox/messages")).code == "not_a_sandbox"
    assert len(world.sandbox_mail.messages) == of_sandboxes


async def test_without_a_sender_of_its_own_a_tenant_sends_from_ours(world: World) -> None:
    """A new tenant's SMS go out on its first day."""
    client = await world.caller()
    await good(client, "PUT", "/v1/accounts/ann", {"role": "agent"})
    confirm = await enrol(client, {"type": "sms", "destination": NUMBER})
    await good(client, "POST", confirm, {"code": await texted_code(world.phones, OUR_NUMBER)})


async def test_a_text_that_did_not_arrive_is_told(world: World) -> None:
    """The page says "try another way" while the person still looks at it."""
    client = await world.caller()
    await good(client, "PUT", "/v1/tenant", {"name": "Acme", "sms_sender": "NOWHERE"})
    await good(client, "PUT", "/v1/accounts/ann", {"role": "agent"})
    confirm = await enrol(client, {"type": "sms", "destination": NUMBER})
    confirming = await texted_code(world.phones, "NOWHERE")
    await good(client, "POST", confirm, {"code": confirming})
    world.phones.undeliverable = 30005
    try:
        challenge = await login(client)

        def is_lost(answer: Answer) -> bool:
            return [each["state"] for each in answer.json["deliveries"] or ()] == ["undeliverable"]

        told = await eventually(lambda: client.call("GET", f"/v1/challenges/{challenge['id']}"), is_lost)
    finally:
        world.phones.undeliverable = None
    assert told.json["deliveries"][0]["destination"].endswith("78")
    assert NUMBER not in told.text


async def test_a_sandbox_beside_live_tenants_reaches_nobody(world: World) -> None:
    """The same person, the same process: a developer's test must not text a customer."""
    client = await world.caller(is_sandbox=True)
    mails, texts = len(world.mail.messages), len(world.phones.messages)
    await good(client, "PUT", "/v1/accounts/ann", {"role": "agent", "email": ADDRESS, "email_verified": True})
    confirm = await enrol(client, {"type": "sms", "destination": NUMBER})
    read = await eventually(
        lambda: client.call("GET", "/v1/sandbox/messages?account_id=ann"), lambda answer: len(answer.json["data"]) == 1
    )
    await good(client, "POST", confirm, {"code": read.json["data"][0]["code"]})
    notice = await world.sandbox_mail.wait_for(lambda mail: mail.to == ADDRESS)
    assert notice.subject
    assert (len(world.mail.messages), len(world.phones.messages)) == (mails, texts)
