"""A fresh, right code of many accounts, over RabbitMQ and beside the floor, at 1, 8, 32 and 128 in flight."""

import json
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from services.otp_worker.domain.totp import STEP
from shared.clock import host_now
from shared.ids import new_id
from shared.secret import Secret
from tests.bench import crowd as people
from tests.bench import floor_tables
from tests.bench.case import Case, Scene
from tests.bench.crowd import Crowd, Member
from tests.bench.figures import Figures, Results
from tests.bench.floor_process import open_floor
from tests.bench.load import Operation, drive
from tests.bench.targets import at_least, at_most
from tests.bench.usage import Meter
from tests.bench.wire import Connection, WrongAnswer, post

IN_FLIGHT = (1, 8, 32, 128)
FULL = 8_000  # operations at each load; a quarter of them alone
WARM_UP = 500  # operations before the first figure


def verifying(api_key: Secret[str], member: Member, challenge_id: UUID, *, steps_ahead: int = 0) -> Operation:
    """The code that the authenticator shows right now; ``steps_ahead``: its clock is fast by so many."""

    async def operation(connection: Connection) -> None:
        await verify(connection, api_key, challenge_id, member.code(host_now() + steps_ahead * STEP))

    return operation


async def verify(connection: Connection, api_key: Secret[str], challenge_id: UUID | str, code: str) -> None:
    """Type a right code. Raises `WrongAnswer`."""
    body = json.dumps({"code": code}).encode()
    path = f"/v1/challenges/{challenge_id}/verify"
    answer = await connection.send(post(path, key=api_key.reveal(), idempotency_key=str(new_id()), body=body))
    if answer.status != 200 or "assertion" not in answer.json:
        raise WrongAnswer(answer)


async def measure(scene: Scene) -> AsyncIterator[Figures]:
    """Ours and the floor's, in turns."""
    servers, most = scene.servers, scene.size(FULL, least=16)
    counts = {each: most if each > 1 else max(4, most // 4) for each in IN_FLIGHT}
    warm_up = scene.size(WARM_UP, least=16)
    scene.tell("enrolling people")
    crowd = await people.gather(servers.dsn, servers.key_dir, 2 * (sum(counts.values()) + warm_up))
    await floor_tables.enrol(servers.dsn, servers.key_dir, crowd)
    supply = iter(crowd.members)
    async with servers.stack() as stack, open_floor(servers) as beside:
        ours = ("verify", stack.urls, people.open_challenges, Meter(servers, stack.pids()))
        theirs = ("floor", [beside.url], floor_tables.open_challenges, Meter(servers, {"floor": beside.pid}))
        for _, urls, opening, _ in (theirs, ours):
            members = [next(supply) for _ in range(warm_up)]
            await drive(urls, _operations(crowd, members, await opening(servers.dsn, crowd, members)), in_flight=8)
        for in_flight, count in counts.items():
            for name, urls, opening, meter in (theirs, ours):
                scene.tell(f"{name}, {in_flight} in flight")
                members = [next(supply) for _ in range(count)]
                operations = _operations(crowd, members, await opening(servers.dsn, crowd, members))
                before = await meter.read()
                samples = await drive(urls, operations, in_flight=in_flight)
                used = (await meter.read()).since(before)
                yield Figures.of(name, at(in_flight), samples, used)


def at(in_flight: int) -> str:
    """A load, as the lines name it."""
    return f"{in_flight} in flight"


def _operations(crowd: Crowd, members: Sequence[Member], challenges: Sequence[UUID]) -> list[Operation]:
    return [verifying(crowd.api_key, *each) for each in zip(members, challenges, strict=True)]


def _of_floor(run: Results, in_flight: int, name: str) -> float:
    return run.value("verify", at(in_flight), name) / run.value("floor", at(in_flight), name)


CASE = Case(
    name="verify",
    what="a fresh, right code of many accounts, beside the floor",
    measure=measure,
    targets=(
        at_least(1.0, "times the floor's", "rate at 32 in flight", lambda run: _of_floor(run, 32, "rate")),
        at_least(1.5, "times the floor's", "rate at 128 in flight", lambda run: _of_floor(run, 128, "rate")),
        at_most(3.0, "times the floor's", "p50 at 1 in flight", lambda run: _of_floor(run, 1, "p50")),
        at_most(0.8, "ms", "CPU an operation at 32 in flight", lambda run: run.of("verify", at(32)).cpu_in_all),
    ),
)
