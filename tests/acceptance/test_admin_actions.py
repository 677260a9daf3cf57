"""What admins do to somebody else's second factor, through HTTP: who is asked for what, and what is said of it."""

import aiohttp
import pytest

from services.cli.demo.helpdesk import Helpdesk, Json
from services.cli.tenants import switch_admin_proof_off
from services.gateway.api.auth import KeyScope
from tests.support.api_client import Client, store_key
from tests.support.backend import (
    MINUTE,
    add_app,
    challenge_of,
    happened,
    path_of,
    proof_of,
    put,
    told,
)
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

WHY = "lost phone, identity checked"


async def admins(helpdesk: Helpdesk, *names: str) -> None:
    """Admins with an authenticator each; the tenant wants to see it before they act."""
    await helpdesk.call("PUT", "/v1/tenant", {"name": "Acme Helpdesk", "admin_proof": "required"})
    for name in names:
        await put(helpdesk, name, "admin")


async def test_an_admin_shows_a_second_factor_first_and_an_admins_account_takes_two(stack: Stack) -> None:
    """A stolen API key resets nobody, and one stolen admin no other admin; the timeline names them and the reason."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await admins(helpdesk, "bob", "carol", "ann")
        apps = {name: (await add_app(helpdesk, name))[0] for name in ("bob", "carol", "ann")}
        reset = path_of("ann", "reset")
        body: Json = {"actor": "bob", "reason": WHY}
        await helpdesk.refused("POST", reset, body, "actor_proof_required")
        body["actor_proof"] = await proof_of(helpdesk, apps["bob"])
        await helpdesk.refused("POST", reset, body, "approver_required")
        await helpdesk.refused("POST", reset, body | {"approver": "ann"}, "approver_required")
        body |= {"approver": "carol", "approver_proof": await proof_of(helpdesk, apps["carol"])}
        assert await helpdesk.call("POST", reset, body) == {"revoked_factors": 1, "revoked_devices": 0}

        [entry] = await happened(helpdesk, "ann", "account.reset")
        assert (entry["actor"], entry["data"]["reason"], entry["data"]["approver"]) == ("admin:bob", WHY, "carol")
        assert WHY in entry["summary"]
        assert len(await happened(helpdesk, "ann", "sessions.should_end")) == 1
        assert len(await told(helpdesk, "ann", "account_reset")) == 1
        await helpdesk.move_clock(10 * MINUTE)
        await helpdesk.refused("POST", reset, body, "actor_proof_required")


async def test_to_ask_for_no_proof_any_more_takes_a_proof(stack: Stack) -> None:
    """Else a stolen key would switch it off first; and a page that sets a colour would, without meaning to."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await admins(helpdesk, "bob", "ann")
        app, _ = await add_app(helpdesk, "bob")
        for loosened in ({"name": "Acme"}, {"name": "Acme", "admin_proof": "optional"}):
            await helpdesk.refused("PUT", "/v1/tenant", loosened, "actor_proof_required")
            await helpdesk.refused("PUT", "/v1/tenant", loosened | {"actor": "bob"}, "actor_proof_required")
        await helpdesk.call("PUT", "/v1/tenant", {"name": "Acme", "admin_proof": "required"})
        assert (await helpdesk.call("GET", "/v1/tenant"))["admin_proof"] == "required"
        proved = {"name": "Acme", "actor": "bob", "actor_proof": await proof_of(helpdesk, app)}
        assert (await helpdesk.call("PUT", "/v1/tenant", proved))["admin_proof"] == "optional"
        for name in ("bob", "ann"):
            assert len(await told(helpdesk, name, "admin_proof_off")) == 1


async def test_where_no_admin_has_a_factor_left_the_operator_opens_the_way(stack: Stack) -> None:
    """Nobody there can prove anything: without a way out a lost phone would end a helpdesk's administration."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await admins(helpdesk, "bob", "ann")
        await put(helpdesk, "dan")
        await add_app(helpdesk, "dan")
        reset, body = path_of("dan", "reset"), {"actor": "bob", "reason": WHY}
        await helpdesk.refused("POST", reset, body, "actor_proof_required")
        assert await switch_admin_proof_off(stack.dsn, world.tenant_id, reason="no admin has a phone left")
        assert (await helpdesk.call("POST", reset, body))["revoked_factors"] == 1
        for name in ("bob", "ann"):
            assert len(await told(helpdesk, name, "admin_proof_off")) == 1


async def test_a_recovery_code_opens_one_login_and_ends_by_itself(stack: Stack) -> None:
    """Read out on the telephone, typed once; the answer that held it is not given a second time for long."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await put(helpdesk, "bob", "admin")
        await put(helpdesk, "ann")
        path, body = path_of("ann", "recovery-codes"), {"actor": "bob", "reason": WHY, "minutes": 5}
        await helpdesk.refused("POST", path, body, "no_factors")
        await add_app(helpdesk, "ann")
        await helpdesk.refused("POST", path, body | {"actor": "ann"}, "not_on_oneself")
        await helpdesk.refused("POST", path, body | {"minutes": 4}, "validation_failed")
        first = await helpdesk.call("POST", path, body, expect=201, key="one")
        assert await helpdesk.call("POST", path, body, expect=201, key="one") == first
        verified = await helpdesk.verify(await challenge_of(helpdesk, "ann"), recovery_code=first["recovery_code"])
        assert (verified["method"], verified.get("trusted_device")) == ("recovery_code", None)
        again = await challenge_of(helpdesk, "ann")
        used = {"recovery_code": first["recovery_code"]}
        await helpdesk.refused("POST", f"/v1/challenges/{again['id']}/verify", used, "code_already_used")
        assert len(await told(helpdesk, "ann", "recovery_code_issued")) == 1
        assert len(await told(helpdesk, "ann", "recovery_code_used")) == 1

        second = await helpdesk.call("POST", path, body, expect=201)
        await helpdesk.move_clock(5 * MINUTE)
        late = {"recovery_code": second["recovery_code"]}
        await helpdesk.refused("POST", f"/v1/challenges/{again['id']}/verify", late, "code_wrong")


async def test_an_admin_sets_up_with_the_scope_of_admins_and_the_account_proves_it(stack: Stack) -> None:
    """The key that enrols people by themselves must not do it in an admin's name, nor the other way round."""
    async with open_world(stack) as world, aiohttp.ClientSession() as session:
        helpdesk = world.helpdesk
        await put(helpdesk, "bob", "admin")
        await put(helpdesk, "ann")
        keys = {
            scope: await store_key(stack.dsn, world.tenant_id, scopes=(scope,))
            for scope in (KeyScope.FACTORS_WRITE, KeyScope.ADMIN)
        }
        callers = {
            scope: Client(session=session, url=stack.url, tenant_id=world.tenant_id, key=key)
            for scope, key in keys.items()
        }
        path = path_of("ann", "factors")
        by_admin = {"type": "totp", "actor": "bob", "reason": "hired today"}
        for scope, body in ((KeyScope.FACTORS_WRITE, by_admin), (KeyScope.ADMIN, {"type": "totp"})):
            answer = await callers[scope].ask("POST", path, body)
            assert (answer.status, answer.json["code"]) == (403, "forbidden_scope")
        elsewhere = by_admin | {"type": "sms", "destination": "+447700900199"}
        await helpdesk.refused("POST", path, elsewhere, "validation_failed")
        begun = await callers[KeyScope.ADMIN].ask("POST", path, by_admin)
        assert begun.status == 201
        assert begun.json["totp"]["qr_svg"].startswith("<svg")
        [entry] = await happened(helpdesk, "ann", "factor.enrolled")
        assert (entry["actor"], entry["data"]["reason"]) == ("admin:bob", "hired today")
        assert len(await told(helpdesk, "ann", "factor_set_up")) == 1
