"""One tenant floods, another verifies: what the flood costs those who have nothing to do with it."""

import itertools
from collections.abc import AsyncIterator, Iterator

from tests.bench import crowd as people
from tests.bench.case import Case, Scene
from tests.bench.crowd import Crowd
from tests.bench.figures import Figures, Results
from tests.bench.load import Operation, alongside, drive
from tests.bench.login import start
from tests.bench.targets import at_most
from tests.bench.verify import WARM_UP, at, verifying
from tests.bench.wire import Connection

FLOOD = 128  # requests of the one tenant in flight
QUIET = 2  # of the other
FULL = 2_000  # verifies of the other tenant, alone and beside the flood
FLOODERS = 4_000  # accounts that log in again and again: of one account only one request is under way

NAME = "fairness"
ALONE = f"tenant B, {QUIET} in flight, alone"
BESIDE = f"tenant B, {QUIET} in flight, beside tenant A"
FLOODING = f"tenant A, {FLOOD} in flight"


def logins(crowd: Crowd) -> Iterator[Operation]:
    """Everybody's, without end. Who has an open challenge is given the same one."""

    def operation_of(account_id: str) -> Operation:
        async def operation(connection: Connection) -> None:
            await start(connection, crowd.api_key, account_id)

        return operation

    return (operation_of(member.account_id) for member in itertools.cycle(crowd.members))


async def measure(scene: Scene) -> AsyncIterator[Figures]:
    """B alone, then B beside A."""
    servers, count, warm_up = scene.servers, scene.size(FULL, least=64), scene.size(WARM_UP, least=16)
    scene.tell("enrolling people")
    flood = await people.gather(servers.dsn, servers.key_dir, scene.size(FLOODERS, least=2 * FLOOD))
    crowd = await people.gather(servers.dsn, servers.key_dir, warm_up + 2 * count, name="Other Helpdesk")
    supply = iter(crowd.members)

    async def verifies(size: int) -> list[Operation]:
        members = list(itertools.islice(supply, size))
        challenges = await people.open_challenges(servers.dsn, crowd, members)
        return [verifying(crowd.api_key, *each) for each in zip(members, challenges, strict=True)]

    async with servers.stack() as stack:
        await drive(stack.urls, await verifies(warm_up), in_flight=QUIET)
        await drive(stack.urls, itertools.islice(logins(flood), warm_up), in_flight=FLOOD)
        scene.tell(ALONE)
        yield Figures.timed(NAME, ALONE, await drive(stack.urls, await verifies(count), in_flight=QUIET))
        scene.tell(BESIDE)
        operations = await verifies(count)
        async with alongside(stack.urls, logins(flood), in_flight=FLOOD) as flooding:
            beside = await drive(stack.urls, operations, in_flight=QUIET)
        yield Figures.timed(NAME, BESIDE, beside)
        yield Figures.timed(NAME, FLOODING, flooding)


def _added(run: Results) -> float:
    return run.value(NAME, BESIDE, "p99") - 2 * run.value(NAME, ALONE, "p99")


CASE = Case(
    name=NAME,
    what=f"verifies of one tenant, {at(QUIET)}, while another one's logins flood the same gateway and worker",
    measure=measure,
    targets=(at_most(20, "ms", "B's p99 beside A's flood, less twice its p99 alone", _added),),
)
