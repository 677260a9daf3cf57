"""The gateway while its database is away: it says so at once, and works again by itself."""

from pathlib import Path

import aiohttp

from services.cli.embedded.postgres import Postgres
from services.gateway.app import serve
from services.gateway.settings import GatewaySettings
from shared.clock import monotonic
from shared.db.migrate import migrate
from tests.support.api_client import Answer, Client, store_key
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant

LOGIN = {"account_id": "ada", "first_factor": {"method": "password"}}


async def test_a_database_that_is_down_is_a_503_within_a_second_and_passes(tmp_path: Path, key_dir: Path) -> None:
    """A helpdesk that waits for us keeps its person waiting; and nobody should have to restart anything."""
    server = Postgres(tmp_path / "postgres", durable=True)
    server.start()
    try:
        await migrate(server.dsn())
        tenant_id = await new_tenant(server.dsn())
        key = await store_key(server.dsn(), tenant_id)
        settings = GatewaySettings(database_url=server.dsn(), key_dir=key_dir, port=0)
        async with serve(settings) as gateway, aiohttp.ClientSession() as session:
            client = Client(session=session, url=gateway.url, tenant_id=tenant_id, key=key)
            assert (await client.call("GET", "/v1/tenant")).status == 200
            server.kill()
            for _ in range(5):  # with the key remembered, and when it is known that the database is away
                await says_at_once(client)
            assert (await client.call("GET", "/readyz")).status == 503
            server.start()
            back = await eventually(lambda: client.call("GET", "/v1/tenant"), lambda answer: answer.status == 200)
            assert back.json["name"] == "Acme Helpdesk"
    finally:
        server.stop(remove=True)


async def says_at_once(client: Client) -> Answer:
    """A problem document within a second, that tells when to come again."""
    started = monotonic()
    answer = await client.call("POST", "/v1/logins", LOGIN)
    assert monotonic() - started < 1.0
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    return answer
