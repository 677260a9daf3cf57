"""What a verify costs among more and more accounts, and among more and more tenants: the same."""

import asyncio
import functools
import itertools
import operator
from collections.abc import AsyncIterator, Callable, Sequence

from services.otp_worker.domain.totp import step_at
from shared.clock import host_now
from tests.bench.case import Case, Scene
from tests.bench.crowd import Crowd, Member, fill_up, gather, gather_many, open_challenges_of
from tests.bench.figures import Figures, Results
from tests.bench.load import Samples, drive
from tests.bench.rig import Servers
from tests.bench.targets import Target, at_most
from tests.bench.usage import Meter, Used
from tests.bench.verify import verifying
from tests.support.stack import Stack

ACCOUNTS = (1_000, 100_000, 1_000_000)
TENANTS = (1, 10, 1_000)
IN_FLIGHT = 32
FULL = 900  # people who type a code in one turn; the smallest tenant has no more
WARM_UP = 100
TURNS = 2
_FLAT = 1.15
_POLL = 0.2  # seconds

_Who = tuple[Crowd, Member]


async def measure(scene: Scene) -> AsyncIterator[Figures]:
    """First the accounts of one tenant, then tenants, on a database of their own."""
    async for each in _accounts(scene, scene.servers):
        yield each
    async with scene.servers.apart(f"{scene.servers.database}_tenants") as servers:
        async for each in _tenants(scene, servers):
            yield each


async def _accounts(scene: Scene, servers: Servers) -> AsyncIterator[Figures]:
    people = scene.size(FULL, least=16) + _warm_up(scene)
    async with servers.stack() as stack:
        for size in ACCOUNTS:
            scene.tell(f"{size:,} accounts")
            crowd = await gather(servers.dsn, servers.key_dir, people)
            await fill_up(servers.dsn, crowd, scene.size(size))
            everybody = [(crowd, member) for member in crowd.members]
            yield await _cost(scene, servers, stack, f"{size:,} accounts", everybody)


async def _tenants(scene: Scene, servers: Servers) -> AsyncIterator[Figures]:
    async with servers.stack() as stack:
        for number in TENANTS:
            scene.tell(_many(number))
            tenants = scene.size(number)
            each = -(-scene.size(FULL + WARM_UP, least=24) // tenants)
            crowds = await gather_many(servers.dsn, servers.key_dir, tenants, each)
            spread = zip(*([(crowd, member) for member in crowd.members] for crowd in crowds), strict=True)
            everybody = list(itertools.chain.from_iterable(spread))
            yield await _cost(scene, servers, stack, _many(number), everybody)


async def _cost(scene: Scene, servers: Servers, stack: Stack, at: str, everybody: Sequence[_Who]) -> Figures:
    """A few turns of the same people, each with the code of another step."""
    meter, samples = Meter(servers, stack.pids()), Samples()
    await _turn(servers, stack, meter, everybody[: _warm_up(scene)])
    used: list[Used] = []
    for turn in range(scene.size(TURNS)):
        if turn:
            await _next_step()
        gave, cost = await _turn(servers, stack, meter, everybody[_warm_up(scene) :])
        samples.seconds += gave.seconds
        samples.elapsed += gave.elapsed
        used.append(cost)
    return Figures.of("growth", at, samples, functools.reduce(operator.add, used))


def _many(tenants: int) -> str:
    return "1 tenant" if tenants == 1 else f"{tenants:,} tenants"


def _warm_up(scene: Scene) -> int:
    return scene.size(WARM_UP, least=8)


async def _turn(servers: Servers, stack: Stack, meter: Meter, everybody: Sequence[_Who]) -> tuple[Samples, Used]:
    challenges = await open_challenges_of(servers.dsn, [(crowd.tenant_id, member) for crowd, member in everybody])
    operations = [
        verifying(crowd.api_key, member, challenge_id)
        for (crowd, member), challenge_id in zip(everybody, challenges, strict=True)
    ]
    before = await meter.read()
    samples = await drive(stack.urls, operations, in_flight=IN_FLIGHT)
    return samples, (await meter.read()).since(before)


async def _next_step() -> None:
    """Wait until authenticators show another code: the last one is used up (RFC 6238, 5.2)."""
    used = step_at(host_now())
    while step_at(host_now()) == used:  # noqa: ASYNC110 - nobody announces it
        await asyncio.sleep(_POLL)


def _growth(run: Results, sizes: Sequence[str], value: Callable[[Figures], float]) -> float:
    """The dearest of these sizes, of the cheapest."""
    values = [value(run.of("growth", size)) for size in sizes]
    return max(values) / min(values)


def _flat(sizes: Sequence[str], kind: str) -> list[Target]:
    return [
        at_most(
            _FLAT,
            "times the least",
            f"{name} of a verify, {kind}",
            functools.partial(_growth, sizes=sizes, value=value),
        )
        for name, value in (
            ("statements", lambda figures: figures.values["statements"]),
            ("our CPU", lambda figures: figures.cpu_in_all),
            ("PostgreSQL's CPU", lambda figures: figures.servers["postgres"]),
        )
    ]


_BY_ACCOUNTS = [f"{size:,} accounts" for size in ACCOUNTS]
_BY_TENANTS = [_many(number) for number in TENANTS]

CASE = Case(
    name="growth",
    what="a verify at 32 in flight among more and more accounts, and of people of more and more tenants",
    measure=measure,
    targets=(
        *_flat(_BY_ACCOUNTS, "1 k to 1 M accounts"),
        *_flat(_BY_TENANTS, "1 to 1,000 tenants"),
    ),
)
