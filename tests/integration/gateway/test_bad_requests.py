"""The gateway without the services that decide: what cannot be meant is refused, and the problem says why."""

import gzip
import json

import pytest

from services.gateway.app import MAX_BODY
from shared.ids import new_id
from tests.support.api_client import Client
from tests.support.lone_gateway import ADA, NOBODYS


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


async def test_callbacks_without_their_form_are_refused_without_asking(client: Client) -> None:
    """The callback has no key: what cannot be a receipt costs nothing."""
    path = f"/v1/callbacks/twilio?tenant={client.tenant_id}&delivery={new_id()}"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await client.call("POST", path, raw=b"{}")).status == 415
    assert (await client.call("POST", "/v1/callbacks/twilio", raw=b"a=b", headers=form)).status == 404
    assert (await client.call("POST", path, raw=b"MessageSid=1", headers=form)).status == 400
