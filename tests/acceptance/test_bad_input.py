"""Whatever is sent, the answer is a problem document: no 500, nothing of the input in it, nothing of it in a log."""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from services.cli.tenants import create_tenant
from services.gateway.api.route import Route
from services.gateway.api.routes import ROUTES
from shared.clock import host_now
from shared.ids import new_id
from tests.support.api_client import Answer, Client, store_key
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

CANARY = "canary-5f1d"
LOGIN = {"account_id": "ann", "first_factor": {"method": "password"}}
LIMIT = 64 * 1024  # bytes
WITH_BODY = [route for route in ROUTES if route.body is not None]

UNREADABLE = (
    b"{",
    b"\x00",
    b"\xff\xfe{\x00}\x00",  # UTF-16
    b"\xef\xbb\xbf{}",  # a byte order mark
    b'{"code": "\xff"}',
    b'{"code": "\\ud800"}',  # half of a pair
    b"[" * 30_000,
    b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    b'{"code": ' + b"9" * 5_000 + b"}",
    f'{{"{CANARY}": 1}}x'.encode(),
)
NOT_AS_IT_SHOULD_BE = (
    b"null",
    b"[]",
    b"1e999",
    b"NaN",
    f'"{CANARY}"'.encode(),
    f'{{"{CANARY}": 1}}'.encode(),
    b'{"account_id": {}, "type": [], "code": 1, "name": "\\u0000", "role": 1, "proof": "x", "hours": "1"}',
)


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    """A key that may do everything, of a sandbox with one account."""
    tenant_id = await create_tenant(stack.dsn, name="Acme Helpdesk", is_sandbox=True)
    async with aiohttp.ClientSession() as session:
        key = await store_key(stack.dsn, tenant_id)
        opened = Client(session=session, url=stack.url, tenant_id=tenant_id, key=key)
        await opened.ask("PUT", "/v1/accounts/ann", {"email": "ann@acme.example", "email_verified": True})
        yield opened


@pytest.fixture(autouse=True)
def quiet(stack: Stack) -> Iterator[None]:
    """No service reports a fault of its own, and none writes what was sent."""
    before = {name: len(stack.log(name)) for name in stack.ports}
    yield
    written = {name: stack.log(name)[length:] for name, length in before.items()}
    assert [name for name, lines in written.items() if '"level": "error"' in lines or CANARY in lines] == []


def path_of(route: Route) -> str:
    """A path of well-formed ids; what it names is not there, but for the account."""
    return re.sub(r"{(\w+)}", lambda part: "ann" if part[1] == "account_id" else str(new_id()), route.path)


def assert_problem(answer: Answer, status: int | range) -> None:
    """RFC 9457, in full, and silent about the input."""
    wanted = status if isinstance(status, range) else range(status, status + 1)
    assert answer.status in wanted, answer
    assert answer.headers["Content-Type"].startswith("application/problem+json"), answer
    assert answer.json.keys() >= {"type", "title", "status", "detail", "code", "request_id"}
    assert answer.json["status"] == answer.status
    assert CANARY not in answer.text


async def raw(stack: Stack, sent: bytes) -> tuple[str, bytes]:
    """Bytes on a connection of their own; the head and the body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.ports["gateway"])
    try:
        writer.write(sent)
        async with asyncio.timeout(30):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?i)content-length: (\d+)", head)
            return head, await reader.readexactly(int(length[1]) if length else 0)
    finally:
        writer.close()


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: f"{route.method} {route.path}")
async def test_a_body_that_is_not_as_it_should_be_is_a_problem_on_every_route(client: Client, route: Route) -> None:
    """The parser is one, the bodies are many: none of them may be the one that nobody tried."""
    for sent in UNREADABLE:
        assert_problem(await client.call(route.method, path_of(route), raw=sent), 400)
    for sent in NOT_AS_IT_SHOULD_BE:
        assert_problem(await client.call(route.method, path_of(route), raw=sent), 422)
    text = {"Content-Type": "text/plain"}
    assert_problem(await client.call(route.method, path_of(route), raw=b"{}", headers=text), 415)


async def test_64_kib_are_read_and_not_a_byte_more(client: Client) -> None:
    """However they come: with a length, in chunks, or packed a thousandfold."""

    def padded(size: int) -> bytes:
        bare = json.dumps(LOGIN).encode()
        return bare[:-1] + b" " * (size - len(bare)) + b"}"

    async def in_chunks(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 1_000):
            yield b" " * 1_000

    fitting = await client.ask("POST", "/v1/logins", raw=padded(LIMIT))
    assert (fitting.status, fitting.json["decision"]) == (200, "allow")
    assert_problem(await client.call("POST", "/v1/logins", raw=padded(LIMIT + 1)), 413)
    packed = gzip.compress(b" " * 20_000_000)
    assert_problem(await client.call("POST", "/v1/logins", raw=packed, headers={"Content-Encoding": "gzip"}), 413)
    assert client.key is not None
    headers = {"Authorization": f"Bearer {client.key.reveal()}", "Content-Type": "application/json"}
    async with client.session.post(f"{client.url}/v1/logins", data=in_chunks(70_000), headers=headers) as response:
        assert (response.status, response.content_type) == (413, "application/problem+json")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"context": {"ip": "::1%\x00"}}, 200),  # a zone: taken in without it
        ({"context": {"ip": 12345}}, 422),
        ({"context": {"ip": "1.2.3.4\n"}}, 422),
        ({"context": {"ip": "1" * 60_000}}, 422),
        ({"context": {"user_agent": "\x00\u2028\ud83d\ude00" * 100}}, 200),
        ({"context": {"user_agent": "x" * 5_000}}, 422),
        ({"account_id": "ann\n"}, 422),
        ({"account_id": "a" * 129}, 422),
        ({"purpose": "recovery"}, 422),
        ({"password_changed_at": 0}, 422),
        ({"password_changed_at": "9999-12-31T23:59:59Z"}, 422),
        ({"password_changed_at": "2027-01-31T00:00:00"}, 422),  # whose midnight?
        ({"trusted_device_token": "v1.k1.AAAA"}, 200),
        ({"trusted_device_token": "\x00"}, 422),
    ],
)
async def test_a_strange_login_is_refused_or_decided(client: Client, change: dict[str, object], status: int) -> None:
    """What a browser says of itself keeps nobody out; what the backend says must be right."""
    answer = await client.ask("POST", "/v1/logins", {**LOGIN, **change})
    if status == 200:
        assert answer.status == 200, answer
    else:
        assert_problem(answer, status)


async def test_the_zone_of_an_address_is_not_kept(client: Client) -> None:
    """It may be any text, and reached a column that cannot hold all of them."""
    body = {"context": {"ip": f"fe80::1%\x00{CANARY}"}}
    assert_problem(await client.ask("POST", "/v1/accounts/ann/recovery", body), 409)
    login = await client.ask("POST", "/v1/logins", {**LOGIN, **body})
    assert login.status == 200


@pytest.mark.parametrize(
    "url",
    ["javascript://x/%0aalert(1)", "data://x", "http://desk.example/", "https://[/", "//desk.example", "https://a b/"],
)
async def test_nobody_is_sent_back_to_a_script_or_over_the_open_wire(client: Client, url: str) -> None:
    """A return URL becomes a link of ours."""
    assert_problem(await client.call("PUT", "/v1/tenant", {"name": "Acme", "return_urls": [url]}), 422)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_without_a_good_key_every_call_is_refused_alike(stack: Stack, client: Client, route: Route) -> None:
    """Missing, made up, of another scheme, expired, revoked: nothing is read, nothing is told."""
    expired = await store_key(stack.dsn, client.tenant_id, expires_at=host_now())
    given = {
        "unauthorized": (None, "Bearer", f"Basic {CANARY}", f"Bearer df_test_{CANARY}", "Bearer \u00e4"),
        "key_expired": (f"Bearer {expired.reveal()}",),
    }
    nobody = Client(session=client.session, url=client.url, tenant_id=client.tenant_id, key=None)
    for code, headers in given.items():
        for header in headers:
            more = {"Authorization": header} if header else {}
            answer = await nobody.call(route.method, path_of(route), raw=b"{", headers=more)
            assert_problem(answer, 401)
            assert (answer.code, answer.headers["WWW-Authenticate"]) == (code, "Bearer")


@pytest.mark.parametrize(
    "sent",
    [
        b"FOO / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET /v1/policy HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /v1/policy HTTP/1.1\r\n\r\n",  # no Host
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/policy HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer df_test_" + CANARY.encode() + b"\x00\r\n\r\n",
        b"GET /v1/policy HTTP/1.1\r\nHost: x\r\nAuthorization Bearer df_test_" + CANARY.encode() + b"\r\n\r\n",
        b"GET /v1/policy HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 2_000 + b"\r\n",
        b'POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n{"code": "' + CANARY.encode() + b'"}\r\n\r\n',
        b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nExpect: " + CANARY.encode() + b"\r\nConnection: close\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_problem_too(stack: Stack, sent: bytes) -> None:
    """A parser that quotes the line it cannot read gives away the key in it."""
    head, body = await raw(stack, sent)
    status = head.split()[1]
    assert status == "400", head
    assert "application/problem+json" in head
    assert json.loads(body)["code"] == "request_refused"
    assert CANARY not in head + body.decode()
    assert "aiohttp" not in head.lower()


async def test_a_body_that_does_not_come_is_not_waited_for(stack: Stack, client: Client) -> None:
    """The budget of a request is that of its whole way."""
    assert client.key is not None
    key = f"Authorization: Bearer {client.key.reveal()}\r\n"
    head = f"POST /v1/logins HTTP/1.1\r\nHost: x\r\n{key}Content-Type: application/json\r\nContent-Length: 100\r\n"
    sent = f"{head}\r\n{{".encode()
    answered, body = await raw(stack, sent)
    assert answered.split()[1] == "503"
    assert json.loads(body)["code"] == "unavailable"
