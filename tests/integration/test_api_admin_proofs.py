"""A tenant that asks its admins for proofs: every call that takes one, tried with a key that may do everything."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlencode

import asyncpg
import pytest

from services.gateway.api.auth import KeyScope
from services.gateway.api.route import ProvenBy, Route
from services.gateway.api.routes import ROUTES
from shared.clock import host_now
from shared.ids import new_id
from shared.secret import Secret
from tests.support.admin_proofs import ask_for_proofs, step_up
from tests.support.api_client import Answer, Client, store_key
from tests.support.api_people import good, put
from tests.support.eventually import eventually

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

WHY = "identity checked by telephone"
DAY = dt.timedelta(days=1)
_URL = "https://desk.acme.example/deskfactor"
_SETTINGS = {"name": "Acme Helpdesk", "admin_proof": "required"}

GIVEN: Mapping[str, Mapping[str, Any]] = {
    "POST /v1/accounts/{account_id}/unlock": {"hours": 1, "reason": WHY},
    "PUT /v1/accounts/{account_id}/enforcement": {"required": True, "reason": WHY},
    "DELETE /v1/accounts/{account_id}/enforcement": {"reason": WHY},
    "POST /v1/accounts/{account_id}/recovery/{recovery_id}/deny": {"reason": WHY},
    "POST /v1/accounts/{account_id}/reset": {"reason": WHY},
    "POST /v1/accounts/{account_id}/recovery-codes": {"reason": WHY},
    "POST /v1/accounts/{account_id}/factors": {"type": "totp", "reason": WHY},
    "PUT /v1/tenant": {**_SETTINGS, "return_urls": [_URL]},
    "PUT /v1/policy": {"required": {"scope": "nobody"}},
    "POST /v1/policy/preview": {"policy": {}},
    "POST /v1/api-keys": {"name": "another", "scopes": ["logins"]},
    "POST /v1/reports": {},
    "POST /v1/webhook-endpoints": {"url": _URL},
    "PATCH /v1/webhook-endpoints/{endpoint_id}": {"enabled": False},
    "DELETE /v1/webhook-endpoints/{endpoint_id}": {},
    "POST /v1/webhook-endpoints/{endpoint_id}/rotate-secret": {},
}
"""What each call is asked with, beside who acts."""

BY_SOMEBODY = {"reset", "recovery-codes", "factors"}
"""Calls that no admin makes without a name."""

PROVEN = {f"{route.method} {route.path}": route for route in ROUTES if route.proven_by is not ProvenBy.NOBODY}
_OF_PROOF = {"actor_proof_required", "approver_required", "actor_not_an_admin", "not_on_oneself"}


@pytest.fixture
async def conn(dsn: str) -> AsyncIterator[Connection]:
    """Stands in for otp_worker's rows."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def strict(client: Client, conn: Connection) -> Client:
    """The admins ann, bob and carol, and dan; the tenant asks for proofs."""
    for account_id in ("ann", "bob", "carol", "dan"):
        await put(client, account_id)
    for admin in ("ann", "bob", "carol"):
        await good(client, "PUT", f"/v1/accounts/{admin}", {"role": "admin"})
    await ask_for_proofs(conn, client.tenant_id)
    return client


async def proof_of(client: Client, conn: Connection, admin: str = "bob") -> dict[str, str]:
    """As a body names who acts."""
    return {"actor": admin, "actor_proof": str(await step_up(conn, client.tenant_id, admin))}


async def ask(client: Client, route: Route, account_id: str, **given: Any) -> Answer:
    """The call, about an account where it is about one."""
    path = route.path.replace("{account_id}", account_id)
    for part in route.parts:
        path = path.replace(f"{{{part}}}", str(new_id()))
    if route.body is None:
        return await client.call(route.method, f"{path}?{urlencode(given)}")
    return await client.call(route.method, path, given)


@pytest.mark.parametrize("named", sorted(PROVEN))
async def test_a_stolen_key_is_not_enough(strict: Client, conn: Connection, named: str) -> None:
    """Every call of the table that takes a proof: without a name, with one alone, with a proof, with another's."""
    route, given = PROVEN[named], GIVEN[named]
    nameless = await ask(strict, route, "dan", **given)
    if route.path.rpartition("/")[2] in BY_SOMEBODY:
        assert (nameless.status, nameless.code) == (422, "validation_failed")
    else:
        assert (nameless.status, nameless.code) == (403, "actor_proof_required")
    carols = str(await step_up(conn, strict.tenant_id, "carol"))
    for unproved in ({}, {"actor_proof": str(new_id())}, {"actor_proof": carols}):
        answer = await ask(strict, route, "dan", **given, actor="bob", **unproved)
        assert (answer.status, answer.code) == (403, "actor_proof_required")
    by_nobody = await ask(strict, route, "dan", **given, actor_proof=carols)
    assert by_nobody.status == 422
    assert {fault["pointer"] for fault in by_nobody.json["errors"]} & {"/actor", "/actor_proof"}
    proved = await ask(strict, route, "dan", **given, **(await proof_of(strict, conn)))
    assert proved.code not in _OF_PROOF, proved.text


async def test_what_opens_an_admins_account_takes_two(strict: Client, conn: Connection) -> None:
    """One admin whose session was stolen would be all of them; each of the two proves it, and they are two."""
    bobs, carols = await proof_of(strict, conn), await step_up(conn, strict.tenant_id, "carol")
    await good(strict, "PUT", "/v1/accounts/ann/enforcement", {"required": True, "reason": WHY, **bobs})
    approved = {"approver": "carol", "approver_proof": str(carols)}
    second = [{}, {"approver": "carol"}, {"approver": "carol", "approver_proof": bobs["actor_proof"]}]
    exempt = {"exempt_until": (host_now() + DAY).isoformat(), "reason": WHY}
    given = dict(GIVEN) | {"PUT /v1/accounts/{account_id}/enforcement": exempt}
    by_two = [named for named, route in PROVEN.items() if route.proven_by is ProvenBy.TWO]
    for named in by_two:
        for wrong in (*second, {**approved, "approver": "bob"}, {**approved, "approver": "dan"}):
            answer = await ask(strict, PROVEN[named], "ann", **given[named], **bobs, **wrong)
            assert (answer.status, answer.code) == (403, "approver_required"), (named, wrong)
    for named in by_two:
        answer = await ask(strict, PROVEN[named], "ann", **given[named], **bobs, **approved)
        assert answer.code not in _OF_PROOF, (named, answer.text)


async def test_every_setting_but_the_looks_is_changed_on_a_proof(strict: Client, conn: Connection) -> None:
    """Where people are sent back to, and whose word counts as a second factor, is what a thief would change."""
    await good(strict, "PUT", "/v1/tenant", _SETTINGS | {"colour": "#aa0000", "languages": ["de"], "name": "Acme"})
    for loosened in (
        {"return_urls": ["https://elsewhere.example/"]},
        {"identity_providers": ["https://idp.elsewhere.example"]},
        {"countries": ["DE"]},
        {"from_name": "Somebody"},
        {"sms_sender": "Somebody"},
        {"admin_proof": "optional"},
    ):
        refused = await strict.call("PUT", "/v1/tenant", _SETTINGS | loosened)
        assert (refused.status, refused.code) == (403, "actor_proof_required")
    proved = _SETTINGS | await proof_of(strict, conn) | {"countries": ["DE"]}
    assert (await good(strict, "PUT", "/v1/tenant", proved))["countries"] == ["DE"]


async def test_settings_are_judged_by_what_is_stored_when_they_change(client: Client, conn: Connection) -> None:
    """An admin switches proofs on while a thief's change is on its way: it waits for that, and is refused."""
    async with conn.transaction():
        await ask_for_proofs(conn, client.tenant_id)
        thiefs = asyncio.create_task(client.call("PUT", "/v1/tenant", _SETTINGS | {"admin_proof": "optional"}))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        await eventually(lambda: conn.fetchval(waiting), lambda found: found > 0)
    assert (await thiefs).code == "actor_proof_required"


@pytest.mark.parametrize(
    ("scope", "may_alone", "may_in_a_name"), [(KeyScope.LOGINS, True, False), (KeyScope.ADMIN, False, True)]
)
async def test_a_recovery_is_stopped_for_the_person_or_in_an_admins_name(
    client: Client, dsn: str, scope: KeyScope, *, may_alone: bool, may_in_a_name: bool
) -> None:
    """A key that signs people in must not put an admin's name into the record, nor one of admins go without."""
    key = await store_key(dsn, client.tenant_id, scopes=(scope,))
    caller = Client(session=client.session, url=client.url, tenant_id=client.tenant_id, key=key)
    await put(client, "dan")
    await put(client, "bob")
    await good(client, "PUT", "/v1/accounts/bob", {"role": "admin"})
    path = f"/v1/accounts/dan/recovery/{new_id()}/cancel"
    for body, may in (({}, may_alone), ({"actor": "bob"}, may_in_a_name)):
        assert (await caller.call("POST", path, body)).code == ("recovery_not_found" if may else "forbidden_scope")


async def key_until(dsn: str, client: Client, expires_at: dt.datetime) -> Client:
    """The same tenant by a key that ends."""
    key = await store_key(dsn, client.tenant_id, expires_at=expires_at)
    return Client(session=client.session, url=client.url, tenant_id=client.tenant_id, key=key)


async def test_no_key_makes_one_that_outlives_it(client: Client, dsn: str) -> None:
    """A leaked key that ends tomorrow would be there for good; one that never ends makes what it likes."""
    until = host_now() + DAY
    ending = await key_until(dsn, client, until)
    body = {"name": "Backend", "scopes": ["logins"]}
    for longer in ({}, {"expires_at": (until + dt.timedelta(seconds=1)).isoformat()}):
        refused = await ending.call("POST", "/v1/api-keys", body | longer)
        assert (refused.status, refused.code) == (422, "validation_failed")
        assert [(each["pointer"], each["code"]) for each in refused.json["errors"]] == [("/expires_at", "outlives_key")]
    await good(ending, "POST", "/v1/api-keys", body | {"expires_at": until.isoformat()})
    await good(client, "POST", "/v1/api-keys", body)


async def test_an_admin_with_a_proof_makes_the_successor_of_a_key_that_ends(
    strict: Client, conn: Connection, dsn: str
) -> None:
    """Keys are replaced without the operator, and the record names who did it; scopes do not grow by it."""
    ending = await key_until(dsn, strict, host_now() + DAY)
    bobs = await proof_of(strict, conn)
    made = await good(ending, "POST", "/v1/api-keys", {"name": "Next", "scopes": ["keys"], **bobs})
    [body] = await conn.fetch(
        "SELECT body FROM bus.outbox WHERE tenant_id = $1 AND routing_key = 'api_key.created'", strict.tenant_id
    )
    assert json.loads(body["body"])["actor"] == "admin:bob"
    following = Client(session=strict.session, url=strict.url, tenant_id=strict.tenant_id, key=Secret(made["key"]))
    stronger = await following.call("POST", "/v1/api-keys", {"name": "x", "scopes": ["admin"], **bobs})
    assert (stronger.status, stronger.code) == (403, "forbidden_scope")


async def test_a_key_is_shown_again_only_to_who_may_still_ask_for_it(strict: Client, conn: Connection) -> None:
    """Under the same Idempotency-Key; an admin who was demoted in between does not see it a second time."""
    asked = {"name": "Next", "scopes": ["keys"], **await proof_of(strict, conn)}
    first = await strict.ask("POST", "/v1/api-keys", asked, idempotency_key="next-key")
    again = await strict.ask("POST", "/v1/api-keys", asked, idempotency_key="next-key")
    assert (first.status, again.json) == (201, first.json)
    await good(strict, "PUT", "/v1/accounts/bob", {"role": "agent"})
    refused = await strict.ask("POST", "/v1/api-keys", asked, idempotency_key="next-key")
    assert (refused.status, refused.code) == (403, "actor_not_an_admin")
