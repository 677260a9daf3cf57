"""The gateway on a real PostgreSQL, without the services that decide: what it does by itself, and how it says no."""

import asyncio
import datetime as dt
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import aiohttp
import asyncpg
import pytest
from pydantic import SecretStr

from services.gateway.api.auth import KeyScope
from services.gateway.app import MAX_BODY, Serving, serve
from services.gateway.settings import GatewaySettings
from shared.clock import host_now, monotonic
from shared.contracts.codec import decode
from shared.contracts.commands import PutAccount, RecordPasswordChange, StartLogin
from shared.ids import new_id
from shared.secret import Secret
from tests.support.api_client import Client, store_key
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant

ADA = "/v1/accounts/ada"
NOBODYS = UUID(int=7)  # not of this run: the names of tests must be the same in each


@pytest.fixture(scope="module")
async def gateway(dsn: str, key_dir: Path) -> AsyncIterator[Serving]:
    """A gateway whose questions nobody answers."""
    settings = GatewaySettings(
        database_url=SecretStr(dsn), key_dir=key_dir, port=0, public_url="https://2fa.acme.example"
    )
    async with serve(settings) as serving:
        yield serving


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of a test."""
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def client(dsn: str, gateway: Serving, session: aiohttp.ClientSession) -> Client:
    """A fresh sandbox tenant's key with every scope."""
    tenant_id = await new_tenant(dsn)
    return Client(session=session, url=gateway.url, tenant_id=tenant_id, key=await store_key(dsn, tenant_id))


async def key_with(client: Client, dsn: str, *scopes: KeyScope, expires_at: dt.datetime | None = None) -> Client:
    """Another key of the same tenant."""
    key = await store_key(dsn, client.tenant_id, scopes=scopes, expires_at=expires_at)
    return Client(session=client.session, url=client.url, tenant_id=client.tenant_id, key=key)


async def fetch(dsn: str, query: str, *values: object) -> list[asyncpg.Record]:
    """Rows as the superuser sees them."""
    conn = await asyncpg.connect(dsn)
    try:
        return list(await conn.fetch(query, *values))
    finally:
        await conn.close()


async def test_requests_without_a_good_key_are_all_answered_alike(client: Client) -> None:
    """A caller who guesses must not learn what was wrong with the guess."""
    answers = []
    for authorization in (None, "Bearer", "Bearer nonsense", f"Bearer df_live_{'x' * 49}", "Basic YTpi"):
        headers = {"Authorization": authorization} if authorization else {}
        stranger = Client(session=client.session, url=client.url, tenant_id=client.tenant_id, key=None)
        answer = await stranger.call("GET", "/v1/tenant", headers=headers)
        answers.append((answer.status, answer.code, answer.headers["WWW-Authenticate"], answer.json["detail"]))
    assert set(answers) == {(401, "unauthorized", "Bearer", answers[0][3])}


async def test_an_expired_key_is_refused_and_says_so(client: Client, dsn: str) -> None:
    """Its owner has to know what to do; whoever holds the key knows that it existed."""
    expired = await key_with(client, dsn, *KeyScope, expires_at=host_now() - dt.timedelta(seconds=1))
    answer = await expired.call("GET", "/v1/tenant")
    assert (answer.status, answer.code) == (401, "key_expired")


async def test_a_key_that_expires_while_it_is_remembered_is_refused(client: Client, dsn: str) -> None:
    """Found keys are remembered for seconds: that must not lengthen their life."""
    for seconds in (1, 2, 4, 8):  # the first of them in which a busy machine remembers it at all
        expires_at = host_now() + dt.timedelta(seconds=seconds)
        soon = await key_with(client, dsn, *KeyScope, expires_at=expires_at)
        if (await soon.call("GET", "/v1/tenant")).status == 200:
            break
    else:
        pytest.fail("a good key was refused")
    while host_now() <= expires_at:
        await soon.call("GET", "/v1/tenant")  # remembered to the end
        await asyncio.sleep(0.05)
    answer = await soon.call("GET", "/v1/tenant")
    assert (answer.status, answer.code) == (401, "key_expired")


async def test_a_suspended_tenant_is_kept_out(client: Client, dsn: str) -> None:
    """Suspending has to end what its keys may do."""
    await fetch(dsn, "UPDATE gateway.tenants SET suspended_at = now() WHERE tenant_id = $1", client.tenant_id)
    answer = await client.call("GET", "/v1/tenant")
    assert (answer.status, answer.code) == (403, "tenant_suspended")


async def test_a_key_without_the_scope_is_refused_before_anything_is_read(client: Client, dsn: str) -> None:
    """A key of the login page must not be able to change policy, nor to learn what a valid policy is."""
    logins = await key_with(client, dsn, KeyScope.LOGINS)
    answer = await logins.call("PUT", "/v1/policy", {"nonsense": True})
    assert (answer.status, answer.code) == (403, "forbidden_scope")


async def test_role_sso_and_active_need_a_stronger_key(client: Client, dsn: str) -> None:
    """They decide who must have a second factor."""
    writer = await key_with(client, dsn, KeyScope.ACCOUNTS_WRITE)
    for member in ({"role": "customer"}, {"sso": True}, {"active": False}):
        answer = await writer.call("PUT", ADA, member)
        assert (answer.status, answer.code) == (403, "forbidden_scope")


@pytest.mark.parametrize(
    ("method", "path", "raw", "status", "code"),
    [
        ("PUT", ADA, b"{", 400, "malformed_json"),
        ("PUT", ADA, b"\xff\xfe{}", 400, "malformed_json"),
        ("PUT", ADA, b"[" * 5000, 400, "malformed_json"),
        ("PUT", ADA, b'{"email": "\\ud800@x.example"}', 400, "malformed_json"),
        ("PUT", ADA, b"[]", 422, "validation_failed"),
        ("PUT", ADA, b'{"emial": "a@b.example"}', 422, "validation_failed"),
        ("PUT", ADA, b'{"sso": "true"}', 422, "validation_failed"),
        ("PUT", ADA, b'{"version": 1e400}', 422, "validation_failed"),
        ("PUT", ADA, b'{"version": 99999999999999999999}', 422, "validation_failed"),
        ("PUT", ADA, b'{"role": "king"}', 422, "validation_failed"),
        ("PUT", ADA, b'{"email": "nobody"}', 422, "validation_failed"),
        ("PUT", ADA, b'{"phone": "12"}', 422, "validation_failed"),
        ("PUT", ADA, b'{"time_zone": "Mars/Base"}', 422, "validation_failed"),
        ("PUT", ADA, b'{"locale": "en\\u0000"}', 422, "validation_failed"),
        ("PUT", "/v1/accounts/a%20b", b"{}", 422, "validation_failed"),
        ("PUT", ADA, b'"' + b"x" * 70_000 + b'"', 413, "body_too_large"),
        ("POST", "/v1/logins", b"{}", 422, "validation_failed"),
        ("POST", "/v1/logins", b'{"account_id": "a", "first_factor": {"method": "magic"}}', 422, "validation_failed"),
        ("POST", f"/v1/challenges/{NOBODYS}/verify", b"{}", 422, "validation_failed"),
        ("POST", f"/v1/challenges/{NOBODYS}/verify", b'{"code": "1", "backup_code": "2"}', 422, "validation_failed"),
        ("POST", "/v1/challenges/17/verify", b'{"code": "1"}', 404, "challenge_not_found"),
        ("POST", f"{ADA}/factors/x/confirm", b'{"code": "1"}', 404, "factor_not_found"),
        ("POST", f"{ADA}/factors", b'{"type": "totp", "destination": "a@b.example"}', 422, "validation_failed"),
        ("POST", f"{ADA}/factors", b'{"type": "webauthn"}', 422, "validation_failed"),
        ("POST", "/v1/sandbox/clock", b'{"advance_seconds": 0}', 422, "validation_failed"),
        ("POST", "/v1/sandbox/clock", b'{"advance_seconds": -5}', 422, "validation_failed"),
        ("PUT", "/v1/policy", b'{"required": {"scope": "roles"}}', 422, "validation_failed"),
        ("PUT", "/v1/policy", b'{"grace_until": "0001-01-01T00:00:00+23:59"}', 422, "validation_failed"),
        ("PUT", "/v1/tenant", b'{"name": "a\\nb"}', 422, "validation_failed"),
    ],
)
async def test_what_is_not_as_it_should_be_is_a_problem_document(
    client: Client, method: str, path: str, raw: bytes, status: int, code: str
) -> None:
    """Whatever is sent, the caller gets a document that says what is wrong, and never a fault of ours."""
    answer = await client.call(method, path, raw=raw)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["type"] == f"https://2fa.acme.example/problems/{code.replace('_', '-')}"
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


async def test_a_problem_points_at_each_fault_and_echoes_nothing(client: Client) -> None:
    """What was sent may be a code or a key in the wrong place; even the name of an unknown member may be one."""
    secret = "483920-ff"
    raw = json.dumps({"role": secret, "sso": secret, secret: 1, "email": secret}).encode()
    answer = await client.call("PUT", ADA, raw=raw)
    assert {fault["pointer"] for fault in answer.json["errors"]} == {"/role", "/sso", "/?"}
    assert secret not in answer.text


@pytest.mark.parametrize(
    ("length", "code"),
    [(MAX_BODY, "malformed_json"), (MAX_BODY + 1, "body_too_large"), (8 * MAX_BODY, "body_too_large")],
)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_body_may_be_so_long_and_no_longer_however_it_is_sent(
    client: Client, length: int, code: str, encoding: str
) -> None:
    """Few bytes may become very many, and a body that came at once goes another way than one that came in parts."""
    raw = b"x" * length
    sent = gzip.compress(raw) if encoding == "gzip" else raw
    answer = await client.call("PUT", ADA, raw=sent, headers={"Content-Encoding": encoding})
    assert answer.code == code


async def test_a_content_type_that_is_not_json_is_refused(client: Client) -> None:
    """A form that a foreign page can send must not be taken for a body."""
    answer = await client.call("PUT", ADA, raw=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


async def test_paths_and_methods_that_are_not_there_are_problems(client: Client) -> None:
    """Also what no route takes is answered as the contract says."""
    nothing = await client.call("GET", "/v2/everything")
    wrong = await client.call("DELETE", "/v1/logins")
    assert (nothing.status, nothing.code) == (404, "not_found")
    assert (wrong.status, wrong.code, wrong.headers["Allow"]) == (405, "http_method_not_allowed", "POST")


@pytest.mark.parametrize(
    ("key", "code"),
    [("", "idempotency_key_missing"), ("two words", "idempotency_key_invalid"), ("x" * 256, "idempotency_key_invalid")],
)
async def test_a_post_that_changes_something_needs_an_idempotency_key(client: Client, key: str, code: str) -> None:
    """Without one, a retry after a lost answer would do it twice."""
    body = {"account_id": "ada", "first_factor": {"method": "password"}}
    answer = await client.call("POST", "/v1/logins", body, idempotency_key=key)
    assert (answer.status, answer.code) == (400, code)


async def test_cursors_that_we_did_not_make_are_refused(client: Client) -> None:
    """A cursor is a text from outside like any other."""
    for path in ("/v1/audit", "/v1/sandbox/messages", f"{ADA}/timeline", "/v1/accounts"):
        answer = await client.call("GET", f"{path}?cursor=gAAA")
        assert (answer.status, answer.code) == (422, "validation_failed")


async def test_no_answer_in_time_is_a_503_within_the_budget(client: Client) -> None:
    """Fail closed and say so: no verdict within 2.5 s is neither yes nor no."""
    took: list[float] = []
    while not took or (min(took) > 5.0 and len(took) < 3):  # half of that is the machine's, which may slow one of them
        started = monotonic()
        answer = await client.call("POST", "/v1/logins", {"account_id": "ada", "first_factor": {"method": "password"}})
        took.append(monotonic() - started)
        assert (answer.status, answer.code) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert 2.0 < min(took) < 5.0


async def test_the_tenant_is_read_and_replaced_with_an_event(client: Client, dsn: str) -> None:
    """Settings reach mails and SMS, so a change of them is on the record."""
    before = await client.call("GET", "/v1/tenant")
    assert (before.json["name"], before.json["is_sandbox"]) == ("Acme Helpdesk", True)
    body = {"name": "Acme", "colour": "#aa0000", "languages": ["de"], "countries": ["DE"]}
    after = await client.call("PUT", "/v1/tenant", body)
    assert after.status == 200
    again = await client.call("PUT", "/v1/tenant", body)
    assert again.json == after.json == (await client.call("GET", "/v1/tenant")).json
    said = await outbox(dsn, client.tenant_id)
    assert [(kind, data["changed"]) for kind, data in said if kind == "tenant.changed"] == [
        ("tenant.changed", ["colour", "languages", "countries", "name"])
    ]


async def outbox(dsn: str, tenant_id: UUID) -> list[tuple[str, dict[str, object]]]:
    """Type and data of what left for a tenant."""
    rows = await fetch(dsn, "SELECT body FROM bus.outbox WHERE tenant_id = $1 ORDER BY message_id", tenant_id)
    bodies = [json.loads(row["body"]) for row in rows]
    return [(body["type"], body["data"]) for body in bodies]


async def test_a_key_made_through_the_api_works_until_it_is_revoked(client: Client, dsn: str) -> None:
    """Keys are replaced without the operator."""
    body = {"name": "Backend", "scopes": ["logins", "keys"]}
    made = await client.call("POST", "/v1/api-keys", body)
    assert made.status == 201
    assert made.json["key"].startswith("df_test_")
    new = Client(session=client.session, url=client.url, tenant_id=client.tenant_id, key=Secret(made.json["key"]))
    assert (await new.call("GET", "/v1/tenant")).status == 200
    listed = await new.call("GET", "/v1/api-keys")
    assert made.json["key"] not in listed.text
    assert made.json["id"] in {key["id"] for key in listed.json["data"]}
    assert (await client.call("DELETE", f"/v1/api-keys/{made.json['id']}")).status == 200
    assert (await new.call("GET", "/v1/tenant")).status == 401
    assert (await client.call("DELETE", f"/v1/api-keys/{made.json['id']}")).code == "key_not_found"
    assert [kind for kind, _ in await outbox(dsn, client.tenant_id)] == ["api_key.created", "api_key.revoked"]


async def test_no_key_makes_a_stronger_one(client: Client, dsn: str) -> None:
    """A leaked key with the scope `keys` must not become an admin's."""
    keys = await key_with(client, dsn, KeyScope.KEYS)
    answer = await keys.call("POST", "/v1/api-keys", {"name": "x", "scopes": ["keys", "admin"]})
    assert (answer.status, answer.code) == (403, "forbidden_scope")


async def test_a_key_that_may_not_read_the_feed_sends_it_nowhere(client: Client, dsn: str) -> None:
    """A webhook endpoint hears what the feed says: it must not be the way around the scope of the feed."""
    admin = await key_with(client, dsn, KeyScope.ADMIN)
    for method, path, body in (
        ("POST", "/v1/webhook-endpoints", {"url": "https://desk.acme.example/"}),
        ("PATCH", f"/v1/webhook-endpoints/{NOBODYS}", {"url": "https://desk.acme.example/"}),
        ("PATCH", f"/v1/webhook-endpoints/{NOBODYS}", {"events": ["*"]}),
    ):
        answer = await admin.call(method, path, body)
        assert (answer.status, answer.code) == (403, "forbidden_scope")


async def test_the_same_idempotency_key_makes_one_api_key(client: Client, dsn: str) -> None:
    """Also when the two requests come at the same moment; with another body it is refused."""
    body = {"name": "Backend", "scopes": ["logins"]}
    both = await asyncio.gather(*(client.call("POST", "/v1/api-keys", body, idempotency_key="once") for _ in range(2)))
    assert both[0].json == both[1].json
    other = await client.call("POST", "/v1/api-keys", {**body, "name": "Other"}, idempotency_key="once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    rows = await fetch(dsn, "SELECT name FROM gateway.api_keys WHERE tenant_id = $1", client.tenant_id)
    assert sorted(row["name"] for row in rows) == ["Backend", "tests"]


async def test_another_tenants_key_is_not_found(client: Client, dsn: str, gateway: Serving) -> None:
    """Ids of another tenant do not exist."""
    other = await new_tenant(dsn)
    stranger = Client(session=client.session, url=gateway.url, tenant_id=other, key=await store_key(dsn, other))
    mine = (await client.call("GET", "/v1/api-keys")).json["data"][0]["id"]
    answer = await stranger.call("DELETE", f"/v1/api-keys/{mine}")
    assert (answer.status, answer.code) == (404, "key_not_found")
    assert (await client.call("GET", "/v1/tenant")).status == 200


def event(kind: str, number: int = 1, **data: object) -> dict[str, object]:
    """A CloudEvent of a helpdesk."""
    return {
        "specversion": "1.0",
        "id": f"{kind}-{number}",
        "source": "/acme",
        "type": kind,
        "subject": "ada",
        "time": "2027-01-31T09:30:00Z",
        "data": data,
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }


async def test_events_become_commands_that_are_stored_before_the_answer(client: Client, dsn: str) -> None:
    """Accepted means durable: a crash right after the 202 loses nothing."""
    given = [
        event("account.upserted", role="agent", email="ada@acme.example"),
        event("account.password_changed"),
        event("account.sso_changed", sso=True),
        event("login.started", first_factor={"method": "password"}),
    ]
    answer = await client.call("POST", "/v1/events", given)
    assert (answer.status, [result["status"] for result in answer.json["results"]]) == (202, ["accepted"] * 4)
    rows = await fetch(
        dsn,
        "SELECT message_id, routing_key, body FROM bus.outbox WHERE tenant_id = $1 ORDER BY message_id",
        client.tenant_id,
    )
    envelopes = [decode(row["body"]) for row in rows]
    assert [type(envelope.data) for envelope in envelopes] == [PutAccount, RecordPasswordChange, PutAccount, StartLogin]
    assert [row["routing_key"] for row in rows] == ["policy.commands"] * 3 + ["otp_worker.commands"]
    assert [str(row["message_id"]) for row in rows] == [result["message_id"] for result in answer.json["results"]]
    assert {envelope.account_id for envelope in envelopes} == {"ada"}
    assert b"ada@acme.example" not in b"".join(row["body"] for row in rows)


async def test_an_event_handed_in_twice_has_one_effect(client: Client, dsn: str) -> None:
    """A helpdesk that saw no answer sends again, in another order and in another array."""
    first = await client.call("POST", "/v1/events", [event("account.password_changed", n) for n in (1, 2, 2)])
    second = await client.call("POST", "/v1/events", [event("account.password_changed", n) for n in (3, 2, 1)])
    assert [result["status"] for result in first.json["results"]] == ["accepted", "accepted", "duplicate"]
    assert [result["status"] for result in second.json["results"]] == ["accepted", "duplicate", "duplicate"]
    assert second.json["results"][2]["message_id"] == first.json["results"][0]["message_id"]
    rows = await fetch(dsn, "SELECT FROM bus.outbox WHERE tenant_id = $1", client.tenant_id)
    assert len(rows) == 3


async def test_one_bad_event_does_not_hold_up_the_others(client: Client) -> None:
    """A result for each: the helpdesk repairs the one and does not send the others again."""
    answer = await client.call(
        "POST",
        "/v1/events",
        [event("account.password_changed"), event("account.exploded"), event("account.sso_changed", sso="perhaps"), 7],
    )
    results = answer.json["results"]
    assert answer.status == 202
    assert [result["status"] for result in results] == ["accepted", "rejected", "rejected", "rejected"]
    assert results[2]["errors"][0]["pointer"] == "/data/sso"
    single = await client.call("POST", "/v1/events", event("account.sso_changed"))
    assert (single.status, single.code) == (422, "validation_failed")


async def test_events_need_the_scope_of_what_they_do(client: Client, dsn: str) -> None:
    """The other way in must not be a way around."""
    writer = await key_with(client, dsn, KeyScope.ACCOUNTS_WRITE)
    answer = await writer.call(
        "POST",
        "/v1/events",
        [
            event("account.email_changed", email="ada@acme.example"),
            event("account.sso_changed", sso=True),
            event("login.started", first_factor={"method": "password"}),
        ],
    )
    assert [result["code"] for result in answer.json["results"]] == [None, "forbidden_scope", "forbidden_scope"]


async def test_live_tenants_have_no_sandbox(client: Client, dsn: str, gateway: Serving) -> None:
    """Nobody moves a live tenant's clock or reads its messages."""
    live = await new_tenant(dsn, is_sandbox=False)
    key = await store_key(dsn, live, is_sandbox=False)
    caller = Client(session=client.session, url=gateway.url, tenant_id=live, key=key)
    moved = await caller.call("POST", "/v1/sandbox/clock", {"advance_seconds": 60})
    read = await caller.call("GET", "/v1/sandbox/messages")
    assert (moved.status, moved.code) == (read.status, read.code) == (403, "not_a_sandbox")


async def test_a_landline_cannot_be_an_sms_factor(client: Client) -> None:
    """A code sent there never arrives, and premium numbers cost."""
    for number in ("+442079460123", "+49 900 1 123456"):
        answer = await client.call("POST", f"{ADA}/factors", {"type": "sms", "destination": number})
        assert answer.code in ("phone_not_mobile", "validation_failed")


async def test_sms_go_to_the_countries_of_the_tenant_only(client: Client) -> None:
    """SMS pumping lives on far countries that no customer is from."""
    await client.call("PUT", "/v1/tenant", {"name": "Acme", "countries": ["DE"]})
    answer = await client.call("POST", f"{ADA}/factors", {"type": "sms", "destination": "+33612345678"})
    assert (answer.status, answer.code) == (422, "country_not_allowed")


async def test_an_accounts_phone_is_a_mobile_in_the_countries_of_the_tenant(client: Client) -> None:
    """Codes and warnings go there: a landline takes none, and a far number costs, however the account comes in."""
    for countries, phone, code in (
        ([], "+442079460123", "phone_not_mobile"),
        (["DE"], "+33612345678", "country_not_allowed"),
    ):
        await client.call("PUT", "/v1/tenant", {"name": "Acme", "countries": countries})
        put = await client.call("PUT", ADA, {"phone": phone})
        event = {
            "specversion": "1.0",
            "id": str(new_id()),
            "source": "/helpdesk",
            "subject": "ada",
            "type": "account.upserted",
            "data": {"phone": phone},
        }
        handed_in = await client.call("POST", "/v1/events", event)
        assert [(answer.status, answer.code) for answer in (put, handed_in)] == [(422, code)] * 2


@pytest.mark.parametrize(
    ("policy", "pointer", "code"),
    [
        ({"methods": []}, "/methods", "too_short"),
        ({"methods": ["totp", "totp"]}, "/methods", "given_twice"),
        ({"methods": ["totp", "webauthn"]}, "/methods", "method_not_available"),
        ({"required": {"scope": "roles", "roles": ["agent", "agent"]}}, "/required", "given_twice"),
        ({"recovery_key": "perhaps"}, "/recovery_key", "enum"),
    ],
)
async def test_a_policy_that_cannot_be_meant_is_refused(
    client: Client, policy: dict[str, object], pointer: str, code: str
) -> None:
    """Without a method nobody could enrol; with one that nobody can enrol yet a whole team would wait for it."""
    answer = await client.call("PUT", "/v1/policy", policy)
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert [(fault["pointer"], fault["code"]) for fault in answer.json["errors"]] == [(pointer, code)]


async def test_request_ids_are_taken_over_if_they_are_harmless(client: Client) -> None:
    """They go into logs and headers."""
    kept = await client.call("GET", "/v1/tenant", headers={"X-Request-Id": "trace-7.a"})
    replaced = await client.call("GET", "/v1/tenant", headers={"X-Request-Id": "x" * 65})
    assert kept.headers["X-Request-Id"] == "trace-7.a"
    assert UUID(replaced.headers["X-Request-Id"]).version == 7


async def test_callbacks_without_their_form_are_refused_without_asking(client: Client) -> None:
    """The callback has no key: what cannot be a receipt costs nothing."""
    path = f"/v1/callbacks/twilio?tenant={client.tenant_id}&delivery={new_id()}"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await client.call("POST", path, raw=b"{}")).status == 415
    assert (await client.call("POST", "/v1/callbacks/twilio", raw=b"a=b", headers=form)).status == 404
    assert (await client.call("POST", path, raw=b"MessageSid=1", headers=form)).status == 400


async def test_the_documents_are_served(client: Client) -> None:
    """What an integrator opens first: without a key, without a script, without another host."""
    stranger = Client(session=client.session, url=client.url, tenant_id=client.tenant_id, key=None)
    document = await stranger.call("GET", "/openapi.json")
    assert document.json["openapi"] == "3.1.0"
    assert (await stranger.call("GET", "/asyncapi.json")).json["asyncapi"] == "3.0.0"
    page = await stranger.call("GET", "/docs")
    assert "/v1/logins" in page.text
    assert "/asyncapi.json" in page.text
    assert "<script" not in page.text
    problem = await stranger.call("GET", "/problems/code-wrong")
    assert (problem.status, "attempts_left" in problem.text) == (200, True)
    assert (await stranger.call("GET", "/problems/no-such")).status == 404
    assert (await stranger.call("GET", "/.well-known/jwks.json")).json == {"keys": []}
    assert (await stranger.call("GET", "/healthz")).status == 200
    assert "deskfactor_http_request_duration_seconds" in (await stranger.call("GET", "/metrics")).text


async def test_the_published_keys_are_those_of_otp_worker(client: Client, dsn: str) -> None:
    """A helpdesk checks assertions with them (RFC 7517, RFC 8037)."""
    await fetch(dsn, "INSERT INTO otp.assertion_keys (key_id, public_key) VALUES ('k1', $1)", bytes(32))
    answer = await client.call("GET", "/.well-known/jwks.json")
    await fetch(dsn, "DELETE FROM otp.assertion_keys")
    assert answer.json == {
        "keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "k1", "x": "A" * 43}]
    }


async def test_requests_in_flight_are_finished_when_the_gateway_leaves(
    dsn: str, key_dir: Path, session: aiohttp.ClientSession
) -> None:
    """A deployment must not cost anybody a login."""
    tenant_id = await new_tenant(dsn)
    key = await store_key(dsn, tenant_id)
    async with serve(GatewaySettings(database_url=SecretStr(dsn), key_dir=key_dir, port=0)) as leaving:
        client = Client(session=session, url=leaving.url, tenant_id=tenant_id, key=key)
        request = asyncio.create_task(client.call("GET", "/v1/policy"))
        await until_asked(dsn, tenant_id)
    answer = await request
    assert (answer.status, answer.code) == (503, "unavailable")
    assert leaving.core.health.is_ready is False


async def until_asked(dsn: str, tenant_id: UUID) -> None:
    """A request of the tenant waits on a lane."""
    await eventually(
        lambda: fetch(dsn, "SELECT body FROM bus.requests"),
        lambda rows: any(json.loads(row["body"])["tenantid"] == str(tenant_id) for row in rows),
    )
