"""A login and its code, events, audit and all: `POST /v1/logins`, then `…/verify`, beside the floor's same two."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from shared.clock import host_now
from shared.ids import new_id
from shared.secret import Secret
from tests.bench import crowd as people
from tests.bench import floor_tables
from tests.bench.case import Case, Scene
from tests.bench.crowd import Member
from tests.bench.figures import Figures, Results
from tests.bench.floor_process import open_floor
from tests.bench.load import Operation, drive
from tests.bench.targets import at_least
from tests.bench.usage import Meter
from tests.bench.verify import WARM_UP, at, verify
from tests.bench.wire import Connection, WrongAnswer, post

IN_FLIGHT = (8, 32, 128)
FULL = 4_000  # operations at each load, of two requests each


def logging_in(api_key: Secret[str], member: Member) -> Operation:
    """Both requests of one person."""

    async def operation(connection: Connection) -> None:
        challenge = await start(connection, api_key, member.account_id)
        await verify(connection, api_key, challenge["id"], member.code(host_now()))

    return operation


async def start(connection: Connection, api_key: Secret[str], account_id: str) -> dict[str, Any]:
    """The first factor was right; the challenge that asks for the second. Raises `WrongAnswer`."""
    login = {
        "account_id": account_id,
        "purpose": "sign_in",
        "first_factor": {"method": "password"},
        "context": {"ip": "192.0.2.7", "user_agent": "Mozilla/5.0"},
    }
    body = json.dumps(login).encode()
    answer = await connection.send(post("/v1/logins", key=api_key.reveal(), idempotency_key=str(new_id()), body=body))
    if answer.status != 200 or answer.json["decision"] != "challenge":
        raise WrongAnswer(answer)
    challenge: dict[str, Any] = answer.json["challenge"]
    return challenge


async def measure(scene: Scene, loads: Sequence[int] = IN_FLIGHT) -> AsyncIterator[Figures]:
    """Ours and the floor's, in turns."""
    servers, count, warm_up = scene.servers, scene.size(FULL, least=16), scene.size(WARM_UP, least=16)
    scene.tell("enrolling people")
    crowd = await people.gather(servers.dsn, servers.key_dir, count * len(loads) + warm_up)
    await floor_tables.enrol(servers.dsn, servers.key_dir, crowd)
    async with servers.stack() as stack, open_floor(servers) as beside:
        ours = ("login", stack.urls, Meter(servers, stack.pids()), iter(crowd.members))
        theirs = ("login_floor", [beside.url], Meter(servers, {"floor": beside.pid}), iter(crowd.members))
        for _, urls, _, supply in (theirs, ours):
            await drive(urls, [logging_in(crowd.api_key, next(supply)) for _ in range(warm_up)], in_flight=8)
        for in_flight in loads:
            for name, urls, meter, supply in (theirs, ours):
                scene.tell(f"{name}, {in_flight} in flight")
                operations = [logging_in(crowd.api_key, next(supply)) for _ in range(count)]
                before = await meter.read()
                samples = await drive(urls, operations, in_flight=in_flight)
                yield Figures.of(name, at(in_flight), samples, (await meter.read()).since(before))


def _of_floor(run: Results, in_flight: int) -> float:
    return run.value("login", at(in_flight), "rate") / run.value("login_floor", at(in_flight), "rate")


CASE = Case(
    name="login",
    what="`POST /v1/logins` and the code, beside the floor's same two requests",
    measure=measure,
    targets=(at_least(0.75, "times the floor's", "rate at 32 in flight", lambda run: _of_floor(run, 32)),),
)
