"""The operator's commands, typed as an operator types them, on a real database."""

import asyncio
import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import aiohttp
import asyncpg
import pytest

from services.audit.app import serve
from services.audit.settings import AuditSettings
from services.cli.demo.helpdesk import Helpdesk
from services.cli.embedded.postgres import Postgres
from shared.clock import host_now, monotonic
from shared.contracts.codec import encode
from shared.contracts.commands import VerifyCode
from shared.contracts.envelope import begin
from shared.contracts.types import ChallengeId
from shared.crypto.api_keys import is_wellformed
from shared.crypto.keyring import RING_NAMES, load_ring
from shared.crypto.sealing import seal, typed_place
from shared.db.role_passwords import ROLES
from shared.ids import new_id
from shared.messaging.bus import Incoming
from shared.messaging.dead_letters import park_letters
from shared.process import Core
from shared.secret import Secret
from tests.support.command_line import deskfactor, start_deskfactor
from tests.support.ports import own_ports
from tests.support.rabbitmq import Rabbit

if TYPE_CHECKING:
    from shared.db.connection import Record

PATIENCE = 90.0  # seconds; a busy machine


@pytest.fixture
async def superuser(dsn: str) -> AsyncIterator["asyncpg.Connection[Record]"]:
    """A connection that sees everything."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def make_tenant(dsn: str, *words: str) -> UUID:
    """A tenant, made by the command."""
    made = await deskfactor("tenants", "create", "Acme Helpdesk", "--json", *words, database_url=dsn)
    return UUID(made.json()["tenant_id"])


def test_the_command_line_loads_nothing_heavy_before_it_is_told_what_to_do() -> None:
    """`deskfactor --help` answers at once, also on a small server."""
    probe = "import services.cli.__main__ as cli, sys; cli.application(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()

    assert not {"asyncpg", "aio_pika", "aiohttp", "pydantic", "cryptography", "structlog"} & set(loaded)


async def test_a_tenant_is_made_with_its_clock_and_announced(dsn: str, superuser: "asyncpg.Connection[Record]") -> None:
    """Half a tenant, or one of which nobody heard, could never sign anybody in."""
    sandbox, live = await make_tenant(dsn, "--sandbox"), await make_tenant(dsn)

    clocks = await superuser.fetch("SELECT tenant_id, is_sandbox FROM policy.clocks")
    body = await superuser.fetchval(
        "SELECT body FROM bus.outbox WHERE tenant_id = $1 AND routing_key = 'tenant.created'", sandbox
    )
    tenants = (await deskfactor("tenants", "list", "--json", database_url=dsn)).json()
    listed = {UUID(each["tenant_id"]): each for each in tenants}

    assert {(row["tenant_id"], row["is_sandbox"]) for row in clocks} >= {(sandbox, True), (live, False)}
    assert json.loads(body)["actor"].startswith("operator:")
    assert json.loads(body)["data"] == {"name": "Acme Helpdesk", "is_sandbox": True}
    assert listed[sandbox]["is_sandbox"]
    assert listed[live]["suspended_at"] is None


async def test_a_tenant_is_suspended_once(dsn: str, superuser: "asyncpg.Connection[Record]") -> None:
    """Typed twice it is told once, and a wrong id is a mistake that is heard."""
    tenant = await make_tenant(dsn)

    first = await deskfactor("tenants", "suspend", str(tenant), "--json", database_url=dsn)
    again = await deskfactor("tenants", "suspend", str(tenant), "--json", database_url=dsn)
    unknown = await deskfactor("tenants", "suspend", str(new_id()), database_url=dsn)

    said = await superuser.fetchval(
        "SELECT count(*) FROM bus.outbox WHERE tenant_id = $1 AND routing_key = 'tenant.suspended'", tenant
    )
    assert (first.json()["is_new"], again.json()["is_new"], said) == (True, False, 1)
    assert unknown.status == 2
    assert "there is no tenant" in unknown.err


async def test_an_operator_lets_admins_act_without_a_proof_and_says_why(
    dsn: str, superuser: "asyncpg.Connection[Record]"
) -> None:
    """Where no admin has a second factor left, none of them can switch it off; the record names who did, and why."""
    tenant = await make_tenant(dsn)
    settings = json.dumps({"admin_proof": "required", "colour": "#aa0000"})
    await superuser.execute("UPDATE gateway.tenants SET settings = $2::jsonb WHERE tenant_id = $1", tenant, settings)
    words = ("tenants", "admin-proof", str(tenant), "--reason", "no admin has a phone left", "--json")

    unsure = await deskfactor(*words, database_url=dsn)
    done = await deskfactor(*words, "--off", database_url=dsn)
    again = await deskfactor(*words, "--off", database_url=dsn)

    stored = await superuser.fetchval("SELECT settings FROM gateway.tenants WHERE tenant_id = $1", tenant)
    [said] = await superuser.fetch(
        "SELECT body FROM bus.outbox WHERE tenant_id = $1 AND routing_key = 'tenant.changed'", tenant
    )
    news, settings_now = json.loads(said["body"]), json.loads(stored)
    assert (unsure.status, done.json()["is_new"], again.json()["is_new"]) == (2, True, False)
    assert (settings_now["admin_proof"], settings_now["colour"]) == ("optional", "#aa0000")
    assert news["actor"].startswith("operator:")
    assert news["data"] == {
        "changed": ["admin_proof"],
        "admin_proof": "optional",
        "reason": "no admin has a phone left",
    }


async def test_a_suspended_tenant_can_be_taken_back(dsn: str) -> None:
    """A bill that was paid an hour late is no reason for a new tenant, and for enrolling everybody again."""
    tenant = await make_tenant(dsn)
    await deskfactor("tenants", "suspend", str(tenant), database_url=dsn)

    first = await deskfactor("tenants", "resume", str(tenant), "--json", database_url=dsn)
    again = await deskfactor("tenants", "resume", str(tenant), "--json", database_url=dsn)
    listed = (await deskfactor("tenants", "list", "--json", database_url=dsn)).json()

    assert (first.json()["is_new"], again.json()["is_new"]) == (True, False)
    assert [each["suspended_at"] for each in listed if each["tenant_id"] == str(tenant)] == [None]


async def test_what_is_listed_for_people_can_be_copied(dsn: str) -> None:
    """An id that ends in three dots cannot be given to the next command."""
    tenant = await make_tenant(dsn)
    made = await deskfactor("api-keys", "create", str(tenant), "--json", database_url=dsn)

    tenants = await deskfactor("tenants", "list", database_url=dsn)
    keys = await deskfactor("api-keys", "list", str(tenant), database_url=dsn)

    assert str(tenant) in tenants.out
    [line] = [line for line in keys.out.splitlines() if made.json()["key_id"] in line]
    assert "logins" in line
    assert made.json()["key"] not in keys.out


async def test_an_api_key_is_shown_once_and_stored_as_a_digest(
    dsn: str, superuser: "asyncpg.Connection[Record]"
) -> None:
    """A copy of the database must not hold keys that work."""
    tenant = await make_tenant(dsn, "--sandbox")

    made = await deskfactor("api-keys", "create", str(tenant), "--scope", "logins", "--days", "30", database_url=dsn)
    key = made.out.strip()
    row = await superuser.fetchrow(
        "SELECT key_id, digest, scopes, expires_at FROM gateway.api_keys WHERE tenant_id = $1", tenant
    )
    bodies = await superuser.fetch("SELECT body FROM bus.outbox WHERE tenant_id = $1", tenant)

    assert row is not None
    assert is_wellformed(key)
    assert key.startswith("df_test_")
    assert row["digest"] == hashlib.sha256(key.encode()).digest()
    assert row["scopes"] == ["logins"]
    assert row["expires_at"] > host_now()
    assert not any(key.encode() in each["body"] for each in bodies)

    revoked = await deskfactor("api-keys", "revoke", str(tenant), str(row["key_id"]), database_url=dsn)
    again = await deskfactor("api-keys", "revoke", str(tenant), str(row["key_id"]), database_url=dsn)
    assert (revoked.status, again.status) == (0, 1)


async def test_what_cannot_be_done_is_told_by_the_exit_status(dsn: str) -> None:
    """Scripts read the status: 2 for what was typed or set wrongly, 3 for a server that is away."""
    scope = await deskfactor("api-keys", "create", str(new_id()), "--scope", "everything", database_url=dsn)
    settings = await deskfactor("tenants", "list")
    away = await deskfactor("tenants", "list", database_url="postgresql://nobody@127.0.0.1:1/nothing")
    broker = await deskfactor("topology", "diff", amqp_urls="amqp://guest:guest@127.0.0.1:1/")

    assert scope.status == 2
    assert "there are logins" in " ".join(scope.err.split())
    assert (settings.status, settings.err.split(":")[0]) == (2, "DESKFACTOR_DATABASE_URL")
    assert away.status == 3
    assert broker.status == 3
    assert "Traceback" not in scope.err + settings.err + away.err + broker.err


async def test_key_rings_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    """A second run must not replace keys under which everything is sealed."""
    made = await deskfactor("keyring", "init", str(tmp_path / "keys"), "--json")
    before = {path.name: path.read_text() for path in (tmp_path / "keys").iterdir()}
    again = await deskfactor("keyring", "init", str(tmp_path / "keys"), "--json")

    assert set(made.json()["made"]) == set(RING_NAMES)
    assert again.json() == {"made": []}
    assert before == {path.name: path.read_text() for path in (tmp_path / "keys").iterdir()}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}


async def test_migrating_again_changes_nothing_and_roles_get_passwords_that_work(
    dsn: str, postgres: Postgres, superuser: "asyncpg.Connection[Record]", tmp_path: Path
) -> None:
    """The services log in with what the operator wrote into files, and the server never saw the text."""
    for role in ROLES:
        (tmp_path / role).write_text(f"pass-of-{role}\n")

    done = await deskfactor("migrate", "--role-passwords", str(tmp_path), "--json", database_url=dsn)

    assert done.json() == {"applied": [], "roles": list(ROLES)}
    path = await superuser.fetchval("SELECT current_setting('hba_file')")
    rules = await superuser.fetchval("SELECT pg_read_file($1)", path)
    await superuser.execute(f"COPY (VALUES ('local all app trust'), ('local all all scram-sha-256')) TO '{path}'")
    try:
        await superuser.execute("SELECT pg_reload_conf()")
        database = dsn.rsplit("/", 1)[-1].split("?", maxsplit=1)[0]
        audit = postgres.dsn(database, user="deskfactor_audit")
        connection = await asyncpg.connect(audit, password="pass-of-deskfactor_audit")
        assert await connection.fetchval("SELECT current_user") == "deskfactor_audit"
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(audit, password="pass-of-deskfactor_policy")
    finally:
        lines = [line for line in rules.splitlines() if line and not line.startswith("#")]
        values = ", ".join(f"('{line}')" for line in lines)
        await superuser.execute(f"COPY (VALUES {values}) TO '{path}'")
        await superuser.execute("SELECT pg_reload_conf()")


async def test_a_password_folder_without_passwords_is_a_mistake(dsn: str, tmp_path: Path) -> None:
    """A wrong path must not look like success and leave the services outside."""
    assert (await deskfactor("migrate", "--role-passwords", str(tmp_path), database_url=dsn)).status == 2


@pytest.fixture
async def audit(dsn: str, key_dir: Path) -> AsyncIterator[Core]:
    """The audit service, running."""
    async with serve(AuditSettings(database_url=dsn, key_dir=key_dir)) as core:  # type: ignore[arg-type]
        yield core


async def chained(audit: Core, superuser: "asyncpg.Connection[Record]", tenant: UUID, *, at_least: int) -> None:
    """Wait until what the operator did has gone through outbox and lane into the tenant's chain."""
    deadline = monotonic() + PATIENCE
    while (await superuser.fetchval("SELECT seq FROM audit.heads WHERE tenant_id = $1", tenant) or 0) < at_least:
        assert monotonic() < deadline, "the entries did not come"
        await audit.relay.sweep_once(older_than_seconds=0)
        await asyncio.sleep(0.05)


async def test_the_audit_log_of_what_an_operator_did_verifies_until_somebody_edits_it(
    dsn: str, key_dir: Path, audit: Core, superuser: "asyncpg.Connection[Record]", tmp_path: Path
) -> None:
    """The proof is worth something only if a person can run it, and pin it."""
    tenant = await make_tenant(dsn)
    for name in ("one", "two", "three"):
        await deskfactor("api-keys", "create", str(tenant), "--name", name, database_url=dsn)
    await chained(audit, superuser, tenant, at_least=4)
    head = tmp_path / "head.json"
    head.write_bytes(await kept_head(superuser, tenant))
    words = ("audit", "verify", "--tenant", str(tenant))

    async def verify(*more: str) -> tuple[int, list[str], int | None]:
        done = await deskfactor(*words, "--json", *more, database_url=dsn, key_dir=key_dir)
        [chain] = done.json()["chains"]
        return done.status, [finding["kind"] for finding in chain["findings"]], chain["proved_seq"]

    assert await verify() == (0, [], None)
    kept_seq = json.loads(head.read_text())["data"]["seq"]
    assert await verify("--head", str(head)) == (0, [], kept_seq)
    told = await deskfactor(*words, database_url=dsn, key_dir=key_dir)
    assert "tail not provable" in told.out

    await superuser.execute(
        "UPDATE audit.entries SET kind = 'api_key.revoked' WHERE tenant_id = $1 AND seq = 2", tenant
    )
    assert await verify() == (1, ["edited_header"], None)
    told = await deskfactor(*words, database_url=dsn, key_dir=key_dir)
    assert "entry 2 was edited" in told.out

    await superuser.execute("DELETE FROM audit.entries WHERE tenant_id = $1", tenant)
    await superuser.execute("DELETE FROM audit.heads WHERE tenant_id = $1", tenant)
    assert (await verify())[:2] == (0, [])
    assert (await verify("--head", str(head)))[:2] == (1, ["cut_tail"])


async def kept_head(superuser: "asyncpg.Connection[Record]", tenant: UUID) -> bytes:
    """Wait for a signed head of the chain: the event as everybody is told of it."""
    deadline = monotonic() + PATIENCE
    query = "SELECT body FROM bus.outbox WHERE tenant_id = $1 AND routing_key = 'audit.head' ORDER BY message_id DESC"
    while (body := await superuser.fetchval(query, tenant)) is None:
        assert monotonic() < deadline, "no head was signed"
        await asyncio.sleep(0.1)
    return bytes(body)


async def test_a_head_that_is_none_is_a_mistake(dsn: str, tmp_path: Path) -> None:
    """A proof against the wrong file would be no proof."""
    (tmp_path / "head.json").write_text('{"seq": 1}')

    done = await deskfactor("audit", "verify", "--head", str(tmp_path / "head.json"), database_url=dsn)

    assert done.status == 2
    assert "no audit.head event" in done.err


async def test_dead_letters_are_shown_without_what_is_sealed_and_decided_about_once(
    dsn: str, key_dir: Path, superuser: "asyncpg.Connection[Record]"
) -> None:
    """An operator decides about a message without ever seeing what a person typed."""
    tenant, challenge = await make_tenant(dsn), ChallengeId(new_id())
    sealed = seal(load_ring(key_dir, "seal.otp_worker"), Secret("123456"), typed_place(tenant, str(challenge), "code"))
    command = begin(
        VerifyCode(challenge_id=challenge, code=sealed),
        tenant_id=tenant,
        account_id="agent-1",
        actor="api_key:1",
        source="/gateway",
        at=host_now(),
    )
    noise = new_id()
    letters = [
        Incoming(lane="test.dead", message_id=command.id, body=encode(command), first_seen_at=host_now()),
        Incoming(lane="test.dead", message_id=noise, body=b"secret noise", first_seen_at=host_now()),
    ]
    await park_letters(superuser, letters)

    async def listed() -> set[str]:
        done = await deskfactor("dead", "list", "--lane", "test.dead", "--json", database_url=dsn)
        return {letter["message_id"] for letter in done.json()}

    assert await listed() == {str(command.id), str(noise)}
    shown = await deskfactor("dead", "show", "test.dead", str(command.id), database_url=dsn)
    assert shown.json()["content"]["data"]["code"] == "<sealed>"
    assert sealed not in shown.out
    assert "noise" not in (await deskfactor("dead", "show", "test.dead", str(noise), database_url=dsn)).out

    replayed = await deskfactor("dead", "replay", "test.dead", str(command.id), database_url=dsn)
    again = await deskfactor("dead", "replay", "test.dead", str(command.id), database_url=dsn)
    discarded = await deskfactor("dead", "discard", "test.dead", str(noise), database_url=dsn)
    assert (replayed.status, again.status, discarded.status) == (0, 1, 0)
    assert await listed() == set()
    assert (
        await superuser.fetchval("SELECT routing_key FROM bus.outbox WHERE message_id = $1", command.id) == "test.dead"
    )


async def test_a_broker_is_brought_in_line_with_the_table_of_lanes(rabbit: Rabbit) -> None:
    """An operator sees before a deployment what a broker lacks, and mends it without deleting anything."""
    host = await asyncio.to_thread(rabbit.virtual_host, "topology")

    before = await deskfactor("topology", "diff", "--json", amqp_urls=host)
    applied = await deskfactor("topology", "apply", amqp_urls=host)
    after = await deskfactor("topology", "diff", "--json", amqp_urls=host)

    assert before.status == 1
    assert {each["fault"] for each in before.json()} == {"missing"}
    assert applied.status == 0
    assert (after.status, after.json()) == (0, [])


async def test_the_api_is_described_without_a_server() -> None:
    """Whoever writes a client needs the document before there is a deployment."""
    described = (await deskfactor("openapi", public_url="https://2fa.example.com")).json()

    assert described["openapi"].startswith("3.1")
    assert described["servers"] == [{"url": "https://2fa.example.com"}]
    assert "/v1/logins" in described["paths"]


async def test_the_events_are_described_without_a_server() -> None:
    """Whoever reads our queue needs its document before there is a deployment."""
    described = (await deskfactor("asyncapi", public_url="https://2fa.example.com/second")).json()

    assert described["asyncapi"] == "3.0.0"
    assert described["servers"]["api"]["host"] == "2fa.example.com"
    assert described["channels"]["out"]["address"] == "deskfactor.out.{tenant_id}"


async def test_a_service_runs_until_it_is_told_to_stop(dsn: str, key_dir: Path) -> None:
    """A container's supervisor sends SIGTERM, and 0 tells it that nothing was lost."""
    process = await start_deskfactor("serve", "audit", database_url=dsn, key_dir=key_dir)
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        while b'"started"' not in await process.stderr.readline():
            assert not process.stderr.at_eof(), "it ended before it started"
        process.send_signal(signal.SIGTERM)
        await process.communicate()

    assert process.returncode == 0
    assert (await deskfactor("serve", "everything")).status == 2
    assert (await deskfactor("serve", "audit", database_url=dsn, key_dir=key_dir / "nowhere")).status == 2


async def test_all_services_run_in_one_process_until_it_is_told_to_stop(dsn: str, key_dir: Path) -> None:
    """The small helpdesk's shape: nobody there watches six processes."""
    [port] = own_ports(1)
    process = await start_deskfactor("serve", "all", database_url=dsn, key_dir=key_dir, port=str(port))
    listening = asyncio.create_task(process.communicate())  # a full pipe would stop it
    deadline = monotonic() + PATIENCE
    try:
        while not await is_ready(f"http://127.0.0.1:{port}/readyz"):
            assert not listening.done(), listening.result()
            assert monotonic() < deadline, "it never became ready"
            await asyncio.sleep(0.1)
        await is_served(f"http://127.0.0.1:{port}", dsn)
    finally:
        process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        _, said = await listening

    assert process.returncode == 0, said
    assert b'"level": "error"' not in said
    assert b'"stopped"' in said


async def is_ready(url: str) -> bool:
    """What a load balancer asks."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def is_served(url: str, dsn: str) -> None:
    """One request through gateway, bus and policy."""
    tenant = await make_tenant(dsn, "--sandbox")
    key = (await deskfactor("api-keys", "create", str(tenant), database_url=dsn)).out.strip()
    async with Helpdesk(url, Secret(key)) as helpdesk:
        await helpdesk.call("PUT", "/v1/accounts/ann", {"role": "agent"})
