"""The API with everybody behind it: what a helpdesk's developer relies on, beyond the story of the demo."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pyotp
from twilio.request_validator import RequestValidator

from services.cli.simulators.mailbox import Mailbox
from services.gateway.app import Serving
from services.notifier.adapters.senders import SANDBOX_TOKEN
from shared.clock import host_now
from shared.ids import new_id
from tests.support.api_client import Answer, Client
from tests.support.api_people import PASSWORD, caller, code_of, enrol_by_mail, good, put
from tests.support.eventually import PATIENCE, eventually


async def test_accounts_are_listed_page_by_page(client: Client) -> None:
    """A helpdesk with a million accounts reads them all, each once."""
    names = [f"agent-{number}" for number in range(5)]
    for name in names:
        await put(client, name)
    seen, cursor = [], ""
    while True:
        page = await good(client, "GET", f"/v1/accounts?limit=2{cursor}")
        seen += [account["account_id"] for account in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == names
    assert page["next_cursor"] is None
    assert (await good(client, "GET", "/v1/accounts?role=customer"))["data"] == []


async def test_an_account_is_told_with_all_that_it_has(client: Client) -> None:
    """One call for the page on which an admin looks at a person."""
    await put(client, "ada")
    await enrol_by_mail(client, "ada")
    status = await good(client, "GET", "/v1/accounts/ada")
    assert status["email"] == "a•••@acme.example"
    assert [factor["type"] for factor in status["factors"]] == ["email"]
    assert status["enforcement"]["state"] in ("satisfied", "not_required")
    assert (status["recovery"], status["throttled_until"]) == (None, None)
    missing = await client.call("GET", "/v1/accounts/nobody")
    assert (missing.status, missing.code) == (404, "account_not_found")


async def test_a_challenge_tells_how_its_codes_fare(client: Client) -> None:
    """Whether the mail went out is answered by what the provider said."""
    await put(client, "ada")
    await enrol_by_mail(client, "ada")
    login = await good(client, "POST", "/v1/logins", {"account_id": "ada", "first_factor": PASSWORD})
    path = f"/v1/challenges/{login['challenge']['id']}"
    told = await eventually(
        lambda: client.call("GET", path),
        lambda answer: [each["state"] for each in answer.json["deliveries"] or ()] == ["accepted"],
    )
    assert told.json["deliveries"][0]["destination"] == "a•••@acme.example"


async def test_a_request_repeated_is_answered_as_the_first(client: Client) -> None:
    """A lost answer is asked for again, and nothing is decided twice."""
    await put(client, "ada")
    await enrol_by_mail(client, "ada")
    body = {"account_id": "ada", "first_factor": PASSWORD}
    first = await client.call("POST", "/v1/logins", body, idempotency_key="k")
    again = await client.call("POST", "/v1/logins", body, idempotency_key="k")
    other = await client.call("POST", "/v1/logins", {**body, "purpose": "step_up"}, idempotency_key="k")
    assert first.json == again.json
    assert (other.status, other.code) == (422, "idempotency_key_reused")


async def test_ids_of_another_tenant_are_not_found(
    client: Client, dsn: str, api: Serving, session: aiohttp.ClientSession
) -> None:
    """To a tenant, what belongs to another one does not exist."""
    await put(client, "ada")
    await enrol_by_mail(client, "ada")
    login = await good(client, "POST", "/v1/logins", {"account_id": "ada", "first_factor": PASSWORD})
    challenge = f"/v1/challenges/{login['challenge']['id']}"
    factor = (await good(client, "GET", "/v1/accounts/ada/factors"))["data"][0]["id"]
    stranger = await caller(dsn, api, session)
    await put(stranger, "ada")
    answers = [
        await stranger.call("GET", challenge),
        await stranger.call("POST", f"{challenge}/verify", {"code": "123456"}),
        await stranger.call("POST", f"{challenge}/send", {}),
        await stranger.call("DELETE", f"/v1/accounts/ada/factors/{factor}"),
        await stranger.call("PATCH", f"/v1/accounts/ada/factors/{factor}", {"name": "mine"}),
    ]
    assert [(answer.status, answer.code) for answer in answers] == [(404, "challenge_not_found")] * 3 + [
        (404, "factor_not_found")
    ] * 2
    assert (await good(stranger, "GET", "/v1/accounts/ada"))["factors"] == []
    assert (await good(stranger, "GET", "/v1/sandbox/messages"))["data"] == []


async def test_events_handed_in_take_effect_and_come_out_in_the_feed(client: Client) -> None:
    """The way without waiting: in as an event, out as an event that names the one it follows from."""

    def event(kind: str, **data: object) -> dict[str, object]:
        return {"specversion": "1.0", "id": kind, "source": "/acme", "type": kind, "subject": "ada", "data": data}

    await good(client, "POST", "/v1/events", event("account.upserted", role="agent", email="ada@acme.example"))
    await eventually(lambda: client.call("GET", "/v1/accounts/ada"), lambda answer: answer.status == 200)
    handed_in = await good(client, "POST", "/v1/events", event("login.started", first_factor=PASSWORD))
    message_id = handed_in["results"][0]["message_id"]

    def is_answered(answer: Answer) -> bool:
        return any(each["type"] == "login.decided" for each in answer.json["data"])

    feed = await eventually(lambda: client.call("GET", "/v1/events"), is_answered)
    decided = next(each for each in feed.json["data"] if each["type"] == "login.decided")
    assert (decided["causationid"], decided["subject"], decided["data"]["decision"]) == (message_id, "ada", "allow")
    rest = await good(client, "GET", f"/v1/events?after={feed.json['next_after']}")
    assert not {each["id"] for each in rest["data"]} & {each["id"] for each in feed.json["data"]}


async def test_the_audit_log_and_the_timeline_are_read_backwards(client: Client) -> None:
    """The newest first, a page at a time, each entry once."""
    await put(client, "ada")
    await put(client, "ben")
    await enrol_by_mail(client, "ada")
    await eventually(
        lambda: client.call("GET", "/v1/accounts/ada/timeline"),
        lambda answer: "factor.confirmed" in {each["type"] for each in answer.json["data"]},
    )
    seqs: list[int] = []
    cursor = ""
    for _ in range(100):
        page = await good(client, "GET", f"/v1/accounts/ada/timeline?limit=2{cursor}")
        seqs += [entry["seq"] for entry in page["data"]]
        assert all(entry["summary"].endswith(".") for entry in page["data"])
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seqs == sorted(set(seqs), reverse=True)
    path = "/v1/audit?types=account.upserted&account_id=ben"
    found = await eventually(lambda: good(client, "GET", path), lambda page: page["data"] != [])
    assert {(entry["type"], entry["account_id"]) for entry in found["data"]} == {("account.upserted", "ben")}


async def test_who_acts_is_on_the_record(client: Client) -> None:
    """An admin behind the helpdesk's key is named; without one, the key is."""
    await put(client, "root")
    await good(client, "PUT", "/v1/accounts/root", {"role": "admin"})
    await good(client, "PUT", "/v1/policy", {"grace_days": 7, "actor": "root"})

    def is_there(answer: Answer) -> bool:
        return len(answer.json["data"]) > 0

    found = await eventually(lambda: client.call("GET", "/v1/audit?types=policy.changed"), is_there)
    upserted = await eventually(lambda: client.call("GET", "/v1/audit?types=account.upserted"), is_there)
    assert found.json["data"][0]["actor"] == "admin:root"
    assert upserted.json["data"][0]["actor"].startswith("api_key:")


async def test_a_recovery_is_stopped_by_the_link_of_its_notice(client: Client, mailbox: Mailbox) -> None:
    """The owner who reads "was this you?" needs one click, and no account here."""
    await put(client, "ada")
    made = await good(client, "POST", "/v1/accounts/ada/factors", {"type": "totp"})
    assert made["totp"]["qr_svg"].startswith("<svg")
    assert made["totp"]["seed_grouped"].replace(" ", "") == made["totp"]["seed"]
    await confirm_totp(client, made)
    await good(client, "POST", "/v1/sandbox/clock", {"advance_seconds": 8 * 24 * 3600})  # the address has settled
    recovery = await good(client, "POST", "/v1/accounts/ada/recovery", {})
    code = await code_of(client, "ada")
    await good(client, "POST", f"/v1/challenges/{recovery['challenge_id']}/verify", {"code": code})
    mail = await mailbox.wait_for(lambda each: "/recovery/cancel?" in each.text and "ada@" in each.to, PATIENCE)
    link = re.search(r"/recovery/cancel\?\S+", mail.text)
    assert link is not None
    path = link[0].rstrip(".>)")
    browser = Client(session=client.session, url=client.url, tenant_id=client.tenant_id, key=None)
    assert (await browser.call("GET", path)).status == 200
    assert (await good(client, "GET", "/v1/accounts/ada/recovery"))["state"] == "waiting"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    query = path.partition("?")[2]
    wrong = await browser.call("POST", "/recovery/cancel", raw=f"{query}x&reason=attack".encode(), headers=form)
    assert wrong.status == 404
    pressed = await browser.call("POST", "/recovery/cancel", raw=f"{query}&reason=attack".encode(), headers=form)
    assert pressed.status == 200
    assert "Change your password" in pressed.text
    assert (await good(client, "GET", "/v1/accounts/ada/recovery"))["state"] == "cancelled"


async def confirm_totp(client: Client, made: Any) -> None:
    """Prove an authenticator by its code of now."""
    code = pyotp.TOTP(made["totp"]["seed"]).at(host_now())
    await good(client, "POST", f"/v1/accounts/ada/factors/{made['factor']['id']}/confirm", {"code": code})


async def test_a_receipt_counts_if_its_provider_signed_it(client: Client) -> None:
    """Anybody can post to the address; only the provider knows the secret, and signs the public address."""
    path = f"/v1/callbacks/twilio?tenant={client.tenant_id}&delivery={new_id()}"
    params = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    public = "http://127.0.0.1:8080"
    signature = RequestValidator(SANDBOX_TOKEN).compute_signature(public + path, params)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    raw = b"MessageSid=SM1&MessageStatus=delivered"
    genuine = await client.call("POST", path, raw=raw, headers={**form, "X-Twilio-Signature": signature})
    forged = await client.call("POST", path, raw=raw + b"&To=x", headers={**form, "X-Twilio-Signature": signature})
    assert (genuine.status, forged.status, forged.code) == (204, 403, "signature_wrong")


async def test_no_request_that_fits_the_document_or_breaks_it_is_a_fault_of_ours(
    client: Client, tmp_path: Path
) -> None:
    """A generator of requests, good and bad, finds no 500 and no answer that the document does not know."""
    assert client.key is not None
    program = Path(sys.executable).with_name("schemathesis")
    process = await run(
        tmp_path,
        program,
        "run",
        f"{client.url}/openapi.json",
        "--url",
        client.url,
        "--header",
        f"Authorization: Bearer {client.key.reveal()}",
        "--max-examples",
        "3",
        "--phases",
        "examples,fuzzing",
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--generation-deterministic",
        "--no-color",
    )
    assert process.returncode == 0, process.stdout[-4000:]


async def run(folder: Path, *command: object) -> "subprocess.CompletedProcess[str]":
    """A program beside the loop that serves it."""
    return await asyncio.to_thread(
        subprocess.run,
        [str(part) for part in command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
