"""The door to the hosted pages without the services behind it: cookies, times, and no answer."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import aiohttp
import asyncpg
import pytest
from pydantic import SecretStr

from services.gateway.app import Serving, serve
from services.gateway.queries.prompt_sessions import PromptSession, insert_session, purge_sessions
from services.gateway.settings import GatewaySettings
from shared.contracts.types import ChallengeId
from shared.crypto.digests import token_digest
from shared.db.pool import Database
from shared.ids import new_id
from tests.conftest import DatabaseFor
from tests.support.tenants import new_tenant

TOKEN = "Zm9yLXRoaXMtdGVzdC1vbmx5LW5vdGhpbmctZWxzZSE"
HOME = "https://help.acme.example/in"


@pytest.fixture(scope="module")
async def gateway(dsn: str, key_dir: Path) -> AsyncIterator[Serving]:
    """A gateway known by an https address, whose questions nobody answers."""
    settings = GatewaySettings(
        database_url=SecretStr(dsn), key_dir=key_dir, port=0, public_url="https://2fa.acme.example"
    )
    async with serve(settings) as serving:
        yield serving


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    """As the gateway's role."""
    return await database_for("gateway")


@pytest.fixture
async def session(dsn: str, database: Database) -> PromptSession:
    """One that nobody has opened yet."""
    made = PromptSession(
        tenant_id=await new_tenant(dsn),
        session_id=new_id(),
        kind="sign_in",
        account_id="ann",
        challenge_id=ChallengeId(new_id()),
        return_url=HOME,
        state="s",
    )
    async with database.transaction([made.tenant_id]) as conn:
        await insert_session(conn, made, token_digest(TOKEN))
    return made


async def _opened(gateway: Serving, session: PromptSession) -> tuple[int, str, str]:
    """Status, location and cookie of opening its address."""
    query = {"tenant": str(session.tenant_id), "session": str(session.session_id), "token": TOKEN}
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as browser,
        browser.get(f"{gateway.url}/prompt/open", params=query, allow_redirects=False) as answer,
    ):
        return answer.status, answer.headers.get("Location", ""), answer.headers.get("Set-Cookie", "")


async def test_on_https_the_cookie_is_this_hosts_own_and_no_script_reads_it(
    gateway: Serving, session: PromptSession
) -> None:
    """`__Host-` keeps a neighbouring subdomain from putting its own cookie in the place of ours."""
    status, location, cookie = await _opened(gateway, session)
    assert (status, location) == (303, f"https://2fa.acme.example/prompt/{session.session_id}")
    name, _, rest = cookie.partition("=")
    assert name == f"__Host-prompt-{session.session_id.hex}"
    assert {part.strip() for part in rest.split(";")[1:]} == {
        "HttpOnly",
        "Max-Age=1200",
        "Path=/",
        "SameSite=Lax",
        "Secure",
    }
    assert (await _opened(gateway, session))[0] == 410


async def test_whoever_only_looks_does_not_use_the_address_up(gateway: Serving, session: PromptSession) -> None:
    """Chat programs ask for the head of every address that is pasted."""
    query = {"tenant": str(session.tenant_id), "session": str(session.session_id), "token": TOKEN}
    async with aiohttp.ClientSession() as scanner, scanner.head(f"{gateway.url}/prompt/open", params=query) as answer:
        assert (answer.status, "Set-Cookie" in answer.headers) == (200, False)
    assert (await _opened(gateway, session))[0] == 303


async def test_an_address_is_over_after_ten_minutes_and_a_session_after_twenty(
    gateway: Serving, session: PromptSession, dsn: str
) -> None:
    """By the database's clock: a sandbox's makes neither longer."""
    admin = await asyncpg.connect(dsn)
    life = "SELECT extract(epoch FROM expires_at - created_at) FROM gateway.prompt_sessions WHERE session_id = $1"
    assert await admin.fetchval(life, session.session_id) == 600
    await admin.execute(
        "UPDATE gateway.prompt_sessions SET expires_at = now() WHERE session_id = $1", session.session_id
    )
    assert (await _opened(gateway, session))[0] == 410
    opened = "SELECT cookie_digest FROM gateway.prompt_sessions WHERE session_id = $1"
    assert await admin.fetchval(opened, session.session_id) is None
    await admin.close()


async def test_when_nobody_answers_a_person_gets_a_page_and_not_a_problem_document(
    gateway: Serving, session: PromptSession
) -> None:
    """What a program reads says nothing to somebody who wants to sign in."""
    _, _, cookie = await _opened(gateway, session)
    headers = {"Cookie": cookie.partition(";")[0]}
    async with (
        aiohttp.ClientSession() as browser,
        browser.get(f"{gateway.url}/prompt/{session.session_id}", headers=headers) as answer,
    ):
        assert (answer.status, answer.content_type) == (503, "text/html")
        assert "Not right now" in await answer.text()


async def test_a_suspended_tenants_pages_are_over(gateway: Serving, session: PromptSession, dsn: str) -> None:
    """A tenant that is switched off signs nobody in, by no door."""
    _, _, cookie = await _opened(gateway, session)
    admin = await asyncpg.connect(dsn)
    await admin.execute("UPDATE gateway.tenants SET suspended_at = now() WHERE tenant_id = $1", session.tenant_id)
    await admin.close()
    headers = {"Cookie": cookie.partition(";")[0]}
    async with (
        aiohttp.ClientSession() as browser,
        browser.get(f"{gateway.url}/prompt/{session.session_id}", headers=headers) as answer,
    ):
        assert answer.status == 410


async def test_what_is_long_over_is_deleted(database: Database, session: PromptSession, dsn: str) -> None:
    """Who was sent where is nobody's business for longer than it takes to say why an address is over."""
    admin = await asyncpg.connect(dsn)
    await admin.execute(
        "UPDATE gateway.prompt_sessions SET expires_at = now() - interval '61 minutes' WHERE session_id = $1",
        session.session_id,
    )
    async with database.transaction(work_queues=True) as conn:
        await purge_sessions(conn)
    assert await _ids(admin, session.tenant_id) == []
    await admin.close()


async def _ids(admin: "asyncpg.Connection[asyncpg.Record]", tenant_id: UUID) -> list[UUID]:
    rows = await admin.fetch("SELECT session_id FROM gateway.prompt_sessions WHERE tenant_id = $1", tenant_id)
    return [row["session_id"] for row in rows]
