"""privacyIDEA beside ours: the same machine, the same PostgreSQL server, the same run, each in turn."""

import asyncio
import contextlib
import functools
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.cli.benchmark import PeerPlace
from tests.bench import crowd as people
from tests.bench.case import Case, Scene
from tests.bench.crowd import Crowd, Member
from tests.bench.figures import PERCENTILES, Figures, Results
from tests.bench.load import Operation, Samples, drive
from tests.bench.mailed import by_mail, give_mailboxes, settings_of
from tests.bench.privacyidea import PROFILES, Peer, Sizes
from tests.bench.slow_mail_server import MailServer
from tests.bench.targets import at_least
from tests.bench.usage import Meter
from tests.bench.verify import WARM_UP, verifying
from tests.support.stack import Stack

IN_FLIGHT = 32
SENDERS = 8  # who have codes mailed while two others verify
SLOW = 1.0  # seconds that the slow mail server takes for a mail
OPERATIONS = 6_000
ROUND_TRIPS = 3_000
MOST_SLOW = 1_000  # accounts, of those whose mail is slow: more than can be served meanwhile
USERS = 600  # the peer's: more than it serves in a phase, each of its people being new to its cache
SECONDS = 10.0  # of each of the peer's phases

OURS = "peer_ours"
THEIRS = "peer_privacyidea"
VERIFY = f"verify, {IN_FLIGHT} in flight"
ROUND_TRIP = f"login → mail → verify, {IN_FLIGHT} in flight"
ALONE = "verify, 2 in flight"
BESIDE = f"verify, 2 in flight, beside a mail server that takes {SLOW:.0f} s"

_PHASES = {
    "hotp_user": VERIFY,
    "hotp_warm": VERIFY,
    "totp_user": VERIFY,
    "challenge": ROUND_TRIP,
}


@contextlib.contextmanager
def peer_case(place: PeerPlace) -> Iterator[Case]:
    """The case. What was installed for it alone is gone at the end: the next time that takes minutes again.

    For root, the account of the database server must be able to pass through the folder.
    """
    with contextlib.ExitStack() as stack:
        state = place.state
        if state is None:
            state = Path(tempfile.mkdtemp(prefix="deskfactor-peer-"))
            stack.callback(shutil.rmtree, state, ignore_errors=True)
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o755)
        yield Case(
            name="peer",
            what="privacyIDEA on the same machine and the same PostgreSQL server, in its quickest of "
            f"{len(PROFILES)} set-ups for each line",
            measure=functools.partial(_measure, place.scripts.resolve(), state.resolve()),
            targets=(
                at_least(60, "times the peer's", f"rate of verifies at {IN_FLIGHT} in flight", _rate_of(VERIFY)),
                at_least(60, "times less", "CPU of a verify there, all servers counted", _cpu_of(VERIFY)),
                at_least(20, "times the peer's", f"rate of mailed codes, {IN_FLIGHT} in flight", _rate_of(ROUND_TRIP)),
                at_least(0.9, "of alone", f"verifies beside a mail server that takes {SLOW:.0f} s a mail", _unchanged),
            ),
        )


async def _measure(scripts: Path, state: Path, scene: Scene) -> AsyncIterator[Figures]:
    """Theirs, then ours."""
    for each in await _theirs(scripts, state, scene):
        yield each
    async for each in _ours(scene):
        yield each


async def _theirs(scripts: Path, state: Path, scene: Scene) -> list[Figures]:
    """Of each line the set-up that was best at it."""
    users = scene.size(USERS, least=3 * IN_FLIGHT)
    sizes = Sizes(
        users=users,
        mailboxes=max(users // 5, 2 * IN_FLIGHT),
        seconds=max(SECONDS * scene.scale, 2.0),
        is_patient=scene.scale >= 1.0,
    )
    peer = Peer(scripts=scripts, folder=state, postgres=scene.servers.postgres, sizes=sizes, tell=scene.tell)
    await peer.settle()
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for profile in PROFILES:
        async with peer.serving(profile):
            scene.tell(f"privacyIDEA, {profile}")
            measured = await peer.measure(profile, [*_PHASES, "slowmail"], in_flight=IN_FLIGHT)
        slow = measured["slowmail"]
        rows += [(at, measured[phase][0]) for phase, at in _PHASES.items()]
        rows += [(ALONE, slow["verify_alone"]), (BESIDE, slow["verify_beside_slow_mail"])]
    return best_of(rows)


def best_of(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Figures]:
    """Of what its scripts said, for each line the highest rate."""
    best: dict[str, Mapping[str, Any]] = {}
    for at, row in rows:
        if at not in best or row["per_s"] > best[at]["per_s"]:
            best[at] = row
    return [_figures(at, row) for at, row in best.items()]


def _figures(at: str, row: Mapping[str, Any]) -> Figures:
    """A line of theirs as one of ours. Its CPU is in cores."""
    each = 1000 / row["per_s"]
    return Figures(
        case=THEIRS,
        at=at,
        values={
            "operations": row["n"],
            "rate": row["per_s"],
            "p50": row["p50_ms"],
            "p95": row["p95_ms"],
            "p99": row["p99_ms"],
        },
        cpu={"privacyidea": round(row["cpu"]["server"] * each, 3)},
        servers={"postgres": round(row["cpu"]["postgres"] * each, 3)},
    )


async def _ours(scene: Scene) -> AsyncIterator[Figures]:
    """The same, by the same way to the database: TCP."""
    servers = replace(scene.servers, is_over_tcp=True)
    verifies, trips = scene.size(OPERATIONS, least=4 * IN_FLIGHT), scene.size(ROUND_TRIPS, least=2 * IN_FLIGHT)
    by_two = max(verifies // 4, 64)
    scene.tell("enrolling people")
    crowd = await people.gather(servers.dsn, servers.key_dir, WARM_UP + verifies + 2 * by_two + trips + MOST_SLOW)
    supply = iter(crowd.members)
    warming, by_app, alone, beside = (_next(supply, count) for count in (WARM_UP, verifies, by_two, by_two))
    trippers, slow = _next(supply, trips), _next(supply, MOST_SLOW)
    await give_mailboxes(servers.dsn, servers.key_dir, crowd, [*trippers, *slow])
    async with MailServer().open() as mail, servers.stack(extra=settings_of(mail)) as stack:
        meter = Meter(servers, stack.pids())
        await drive(stack.urls, await _verifies(scene, crowd, warming), in_flight=IN_FLIGHT)
        for at, in_flight, operations in (
            (VERIFY, IN_FLIGHT, await _verifies(scene, crowd, by_app)),
            (ROUND_TRIP, IN_FLIGHT, [by_mail(crowd, each, mail) for each in trippers]),
            (ALONE, 2, await _verifies(scene, crowd, alone)),
        ):
            scene.tell(at)
            before = await meter.read()
            samples = await drive(stack.urls, operations, in_flight=in_flight)
            yield Figures.of(OURS, at, samples, (await meter.read()).since(before))
        scene.tell(BESIDE)
        operations = await _verifies(scene, crowd, beside)
        mail.seconds_a_mail = SLOW
        async with _senders(stack, crowd, slow, mail):
            samples = await drive(stack.urls, operations, in_flight=2)
        yield Figures(case=OURS, at=BESIDE, values=_timings(samples))


def _timings(samples: Samples) -> dict[str, float]:
    """Of operations beside which others went on, so that nobody knows what was used for whom."""
    shares = {f"p{each}": round(samples.percentile(each), 2) for each in PERCENTILES}
    return {"operations": float(len(samples.seconds)), "rate": round(samples.rate, 1)} | shares


def _next(supply: Iterator[Member], count: int) -> list[Member]:
    return list(itertools.islice(supply, count))


async def _verifies(scene: Scene, crowd: Crowd, members: list[Member]) -> list[Operation]:
    challenges = await people.open_challenges(scene.servers.dsn, crowd, members)
    return [verifying(crowd.api_key, *each) for each in zip(members, challenges, strict=True)]


@contextlib.asynccontextmanager
async def _senders(stack: Stack, crowd: Crowd, members: list[Member], mail: MailServer) -> AsyncIterator[None]:
    """Some who have one code after the other mailed, by a slow server, until the block ends."""
    is_over = asyncio.Event()

    def operations() -> Iterator[Operation]:
        for member in members:
            if is_over.is_set():
                return
            yield by_mail(crowd, member, mail)

    sending = asyncio.create_task(drive(stack.urls, operations(), in_flight=SENDERS))
    try:
        yield
    finally:
        is_over.set()
        await sending


def _rate_of(at: str) -> Callable[[Results], float]:
    return lambda run: run.value(OURS, at, "rate") / run.value(THEIRS, at, "rate")


def _cpu_of(at: str) -> Callable[[Results], float]:
    return lambda run: _all_cpu(run.of(THEIRS, at)) / _all_cpu(run.of(OURS, at))


def _all_cpu(figures: Figures) -> float:
    return sum(figures.cpu.values()) + sum(figures.servers.values())


def _unchanged(run: Results) -> float:
    return run.value(OURS, BESIDE, "rate") / run.value(OURS, ALONE, "rate")
