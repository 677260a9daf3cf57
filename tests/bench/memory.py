"""What each process holds over 200,000 logins: as much at the end as after the first 20,000."""

from collections.abc import AsyncIterator

from tests.bench.case import Case, Scene
from tests.bench.crowd import gather
from tests.bench.figures import Figures, Results
from tests.bench.load import drive
from tests.bench.login import logging_in
from tests.bench.targets import at_most
from tests.bench.usage import Meter, settle

FULL = 200_000
PEOPLE = 80_000  # they come again, later than an authenticator shows the same code
PARTS = 10
IN_FLIGHT = 128
_MOST = 90.0  # MiB
_FLAT = 1.1


async def measure(scene: Scene) -> AsyncIterator[Figures]:
    """A line at the start and after each tenth."""
    servers, logins = scene.servers, scene.size(FULL, least=PARTS)
    scene.tell("enrolling people")
    crowd = await gather(servers.dsn, servers.key_dir, min(logins, PEOPLE))
    async with servers.stack() as stack:
        meter = Meter(servers, stack.pids())
        yield _figures(0, meter)
        for part in range(PARTS):
            done, until = logins * part // PARTS, logins * (part + 1) // PARTS
            scene.tell(f"{done:,} of {logins:,} logins")
            people = (crowd.members[number % len(crowd.members)] for number in range(done, until))
            await drive(stack.urls, (logging_in(crowd.api_key, each) for each in people), in_flight=IN_FLIGHT)
            await settle(servers)
            yield _figures(part + 1, meter)


def _at(part: int) -> str:
    return f"{FULL * part // PARTS:,} logins"


def _figures(part: int, meter: Meter) -> Figures:
    held = {f"{name}_mib": round(mebibytes, 1) for name, mebibytes in meter.memory().items()}
    return Figures(case="memory", at=_at(part), values=held)


def _most(run: Results) -> float:
    return max(max(each.values.values()) for each in run.by_case["memory"])


def _growth(run: Results) -> float:
    early, late = run.of("memory", _at(1)).values, run.of("memory", _at(PARTS)).values
    return max(late[name] / early[name] for name in early)


CASE = Case(
    name="memory",
    what="what each process holds (MiB, resident) over 200,000 logins",
    measure=measure,
    targets=(
        at_most(_MOST, "MiB", "the largest process, at any time", _most),
        at_most(_FLAT, "times after 20,000", "any process at the end", _growth),
    ),
)
