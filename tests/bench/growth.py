"""What a verify costs among more and more accounts, and among more and more tenants: the same.

Every size has a database and processes of its own, and the sizes take turns, forwards and backwards: how old processes
are counts for none of them alone. Counted is what goes on: a turn begins with requests that are not counted, one of
every tenant at least, since who is served goes on being served; and a turn among tenants takes about as long as a
gateway remembers a key, so that renewing them is in it. The cheaper half of each size's turns counts: what else the
machine does only adds. One turn alone would not do: the system counts in hundredths of a second, for each of thirty
processes, and a turn takes a quarter of a second of PostgreSQL. What processes of the other sizes do while they wait is
in the servers' CPU, of every size alike.
"""

import contextlib
import functools
import itertools
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tests.bench.case import Case, Scene
from tests.bench.crowd import Crowd, Member, fill_up, forget_codes, gather, gather_many, open_challenges_of
from tests.bench.figures import Figures, Results
from tests.bench.load import Operation, drive
from tests.bench.rig import Servers
from tests.bench.targets import Target, at_most
from tests.bench.usage import Meter
from tests.bench.verify import verifying
from tests.support.stack import Stack

ACCOUNTS = (1_000, 100_000, 1_000_000)
TENANTS = (1, 10, 1_000)
IN_FLIGHT = 32
CODES = 2  # that each of the people types in a turn: that of now, and that of a clock which is a step fast
_FLAT = 1.15

_Who = tuple[Crowd, Member]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What grows. In a turn all ``people`` of a size type `CODES` codes, the first ``lead`` of which do not count."""

    people: int
    lead: int
    turns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """One of the sizes, with all that is its own."""

    at: str
    servers: Servers
    stack: Stack
    people: Sequence[_Who]
    turns: list[Figures] = field(default_factory=list)


_OF_ACCOUNTS = _Kind(people=1_000, lead=400, turns=12)  # the smallest tenant has no more people
_OF_TENANTS = _Kind(people=3_000, lead=1_000, turns=6)


async def measure(scene: Scene) -> AsyncIterator[Figures]:
    """First the accounts of one tenant, then tenants."""
    by_accounts = {_accounts(size): functools.partial(_one_tenant, scene, size) for size in ACCOUNTS}
    for each in await _in_turns(scene, _OF_ACCOUNTS, by_accounts):
        yield each
    by_tenants = {_tenants(number): functools.partial(_many_tenants, scene, number) for number in TENANTS}
    for each in await _in_turns(scene, _OF_TENANTS, by_tenants):
        yield each


async def _one_tenant(scene: Scene, size: int, servers: Servers) -> Sequence[_Who]:
    crowd = await gather(servers.dsn, servers.key_dir, scene.size(_OF_ACCOUNTS.people, least=16))
    await fill_up(servers.dsn, crowd, scene.size(size))
    return [(crowd, member) for member in crowd.members]


async def _many_tenants(scene: Scene, number: int, servers: Servers) -> Sequence[_Who]:
    """By turns one of each tenant."""
    tenants = scene.size(number)
    each = -(-scene.size(_OF_TENANTS.people, least=24) // tenants)
    crowds = await gather_many(servers.dsn, servers.key_dir, tenants, each)
    spread = zip(*([(crowd, member) for member in crowd.members] for crowd in crowds), strict=True)
    return list(itertools.chain.from_iterable(spread))


async def _in_turns(
    scene: Scene, kind: _Kind, sizes: Mapping[str, Callable[[Servers], Awaitable[Sequence[_Who]]]]
) -> list[Figures]:
    async with contextlib.AsyncExitStack() as running:
        made = []
        for at, fill in sizes.items():
            scene.tell(at)
            name = f"{scene.servers.database}_{at.replace(',', '').replace(' ', '_')}"
            servers = await running.enter_async_context(scene.servers.apart(name))
            people = await fill(servers)
            stack = await running.enter_async_context(servers.stack())
            made.append(_Size(at=at, servers=servers, stack=stack, people=people))
        for turn in range(scene.size(kind.turns)):
            for each in reversed(made) if turn % 2 else made:
                scene.tell(f"{each.at}, turn {turn + 1}")
                each.turns.append(await _turn(each, lead=scene.size(kind.lead, least=8)))
        return [cheaper_half(each.turns) for each in made]


async def _turn(size: _Size, *, lead: int) -> Figures:
    meter, operations = Meter(size.servers, size.stack.pids()), await _operations(size)
    await drive(size.stack.urls, operations[:lead], in_flight=IN_FLIGHT)
    before = await meter.read()
    samples = await drive(size.stack.urls, operations[lead:], in_flight=IN_FLIGHT)
    return Figures.of("growth", size.at, samples, (await meter.read()).since(before))


def cheaper_half(turns: Sequence[Figures]) -> Figures:
    """The mean of the turns in which a verify cost the least CPU, PostgreSQL's included: whole turns, for statements of
    one beside the CPU of another would be of frames that nobody sent.
    """
    by_cost = sorted(turns, key=lambda each: each.cpu_in_all + each.servers["postgres"])
    counted = by_cost[: (len(by_cost) + 1) // 2]
    return replace(
        counted[0],
        values=_mean([each.values for each in counted]),
        cpu=_mean([each.cpu for each in counted]),
        servers=_mean([each.servers for each in counted]),
    )


def _mean(of_each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: round(statistics.fmean(each[name] for each in of_each), 3) for name in of_each[0]}


async def _operations(size: _Size) -> list[Operation]:
    members = [(crowd.tenant_id, member) for crowd, member in size.people]
    await forget_codes(size.servers.dsn, members)
    return [
        verifying(crowd.api_key, member, challenge_id, steps_ahead=steps_ahead)
        for steps_ahead in range(CODES)
        for (crowd, member), challenge_id in zip(
            size.people, await open_challenges_of(size.servers.dsn, members), strict=True
        )
    ]


def _accounts(size: int) -> str:
    return f"{size:,} accounts"


def _tenants(number: int) -> str:
    return "1 tenant" if number == 1 else f"{number:,} tenants"


def _growth(run: Results, sizes: Sequence[str], value: Callable[[Figures], float]) -> float:
    """The dearest of these sizes, of the cheapest one."""
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


_BY_ACCOUNTS = [_accounts(size) for size in ACCOUNTS]
_BY_TENANTS = [_tenants(number) for number in TENANTS]

CASE = Case(
    name="growth",
    what="a verify at 32 in flight among more and more accounts, and of people of more and more tenants, once each of "
    "them was served: the mean of the cheaper half of several turns, which the sizes take one after the other",
    measure=measure,
    targets=(
        *_flat(_BY_ACCOUNTS, "1 k to 1 M accounts"),
        *_flat(_BY_TENANTS, "1 to 1,000 tenants"),
    ),
)
