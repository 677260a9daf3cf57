"""What a login costs with 1, 2 and 4 gateways and otp_workers: as much. Work that each replica does is paid by all."""

from collections.abc import AsyncIterator

from tests.bench.case import Case, Scene
from tests.bench.crowd import gather
from tests.bench.figures import Figures, Results
from tests.bench.load import drive
from tests.bench.login import logging_in
from tests.bench.targets import at_most
from tests.bench.usage import Meter
from tests.bench.verify import WARM_UP

REPLICAS = (1, 2, 4)
IN_FLIGHT = 32  # for each gateway: a full one sends full frames
FULL = 5_000
_FLAT = 1.15


async def measure(scene: Scene) -> AsyncIterator[Figures]:
    """The same number of logins each time."""
    servers, count, warm_up = scene.servers, scene.size(FULL, least=32), scene.size(WARM_UP, least=16)
    scene.tell("enrolling people")
    crowd = await gather(servers.dsn, servers.key_dir, (count + warm_up) * len(REPLICAS))
    supply = iter(crowd.members)
    for number in REPLICAS:
        scene.tell(_at(number))
        async with servers.stack(replicas={"gateway": number, "otp_worker": number}) as stack:
            meter = Meter(servers, stack.pids())
            warming = [logging_in(crowd.api_key, next(supply)) for _ in range(warm_up)]
            await drive(stack.urls, warming, in_flight=IN_FLIGHT * number)
            operations = [logging_in(crowd.api_key, next(supply)) for _ in range(count)]
            before = await meter.read()
            samples = await drive(stack.urls, operations, in_flight=IN_FLIGHT * number)
            yield Figures.of("scale_out", _at(number), samples, (await meter.read()).since(before))


def _at(number: int) -> str:
    return f"{number} of each"


def _growth(run: Results, number: int) -> float:
    return run.of("scale_out", _at(number)).cpu_in_all / run.of("scale_out", _at(1)).cpu_in_all


CASE = Case(
    name="scale_out",
    what="a login with 1, 2 and 4 gateways and otp_workers, 32 in flight at each gateway",
    measure=measure,
    targets=(
        at_most(_FLAT, "times that of one", "our CPU a login with 2 of each", lambda run: _growth(run, 2)),
        at_most(_FLAT, "times that of one", "our CPU a login with 4 of each", lambda run: _growth(run, 4)),
    ),
)
