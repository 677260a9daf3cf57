"""A fresh, right code of many accounts, over RabbitMQ and beside the floor, at 1, 8, 32 and 128 in flight."""

import asyncio
import contextlib
import functools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from uuid import UUID

from services.cli.embedded.place import free_ports
from shared.clock import host_now
from shared.ids import new_id
from shared.secret import Secret
from tests.bench import crowd as people
from tests.bench import floor
from tests.bench.crowd import Crowd, Member
from tests.bench.figures import Figures
from tests.bench.load import Operation, drive
from tests.bench.rig import Servers
from tests.bench.usage import Meter
from tests.bench.wire import Connection, post
from tests.support.stack import ROOT, Stack

IN_FLIGHT = (1, 8, 32, 128)
WARM_UP = 500  # operations before the first figure


class WrongAnswer(Exception):
    """An answer was not what it must be: the figures are worth nothing."""


def verifying(api_key: Secret[str], member: Member, challenge_id: UUID) -> Operation:
    """The code that the authenticator shows right now."""

    async def operation(connection: Connection) -> None:
        body = json.dumps({"code": member.code(host_now())}).encode()
        request = post(
            f"/v1/challenges/{challenge_id}/verify", key=api_key.reveal(), idempotency_key=str(new_id()), body=body
        )
        answer = await connection.send(request)
        if answer.status != 200 or "assertion" not in answer.json:
            raise WrongAnswer(f"{answer.status} {answer.body[:200]!r}")

    return operation


async def measure(servers: Servers, stack: Stack, crowd: Crowd, *, operations: int) -> AsyncIterator[Figures]:
    """Ours and the floor's, in turns."""
    await floor.settle(servers.dsn, str(servers.key_dir), crowd)
    ours = {name: stack.pid(name) for name in ("gateway", "otp_worker", "audit", "policy", "notifier", "timers")}
    async with _floor(servers) as (floor_url, floor_pid):
        open_ours = functools.partial(people.open_challenges, servers.dsn, crowd)
        open_floor = functools.partial(floor.open_challenges, servers.dsn, crowd)
        supply = iter(crowd.members)
        for url, opening in ((floor_url, open_floor), (stack.url, open_ours)):
            members = [next(supply) for _ in range(WARM_UP)]
            await drive(url, _operations(crowd, members, await opening(members)), in_flight=8)
        for in_flight in IN_FLIGHT:
            count = operations if in_flight > 1 else operations // 4
            for name, url, opening, pids in (
                ("floor", floor_url, open_floor, {"floor": floor_pid}),
                ("verify", stack.url, open_ours, ours),
            ):
                members = [next(supply) for _ in range(count)]
                challenges = await opening(members)
                meter = Meter(servers.dsn, pids)
                before = await meter.read()
                samples = await drive(url, _operations(crowd, members, challenges), in_flight=in_flight)
                used = (await meter.read()).since(before)
                yield Figures.of(name, in_flight, samples, used)


def _operations(crowd: Crowd, members: Sequence[Member], challenges: Sequence[UUID]) -> Iterator[Operation]:
    return iter([verifying(crowd.api_key, *each) for each in zip(members, challenges, strict=True)])


@contextlib.asynccontextmanager
async def _floor(servers: Servers) -> AsyncIterator[tuple[str, int]]:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.bench.floor", servers.dsn, str(servers.key_dir), str(port)]
    process = subprocess.Popen(command, cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        await _until_it_listens(url)
        yield url, process.pid
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)


async def _until_it_listens(url: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                (await Connection.open(url)).close()
                return
            except OSError:
                await asyncio.sleep(0.05)
