"""privacyIDEA beside ours: the same machine, the same PostgreSQL server, the same run, each in turn."""

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
from tests.bench.figures import Figures, Results
from tests.bench.load import Operation, Samples, alongside, drive
from tests.bench.mailboxes import by_mail, give_mailboxes, settings_of
from tests.bench.privacyidea import PROFILES, Peer, Sizes, program_in
from tests.bench.slow_mail_server import MailServer
from tests.bench.targets import at_least
from tests.bench.usage import Meter
from tests.bench.verify import WARM_UP, verifying

IN_FLIGHT = 32
SENDERS = 8  # who have codes mailed while two others verify
SLOW = 1.0  # seconds that the slow mail server takes for a mail
TURNS = 3  # of verifies alone and beside it: what else the machine does meets both
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

    For root, the account of the database server must be able to pass through the folder. Raises `PeerFailed` where
    there are no such scripts.
    """
    program_in(place.scripts)
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
    by_two = max(verifies // (2 * TURNS), 64)
    scene.tell("enrolling people")
    by_app = await people.gather(servers.dsn, servers.key_dir, WARM_UP + verifies + 2 * TURNS * by_two)
    reached = await people.gather(servers.dsn, servers.key_dir, IN_FLIGHT + trips + MOST_SLOW)
    await give_mailboxes(servers.dsn, servers.key_dir, reached, reached.members)
    supply, trippers = iter(by_app.members), iter(reached.members)

    async def verifying_of(count: int) -> list[Operation]:
        members = list(itertools.islice(supply, count))
        challenges = await people.open_challenges(servers.dsn, by_app, members)
        return [verifying(by_app.api_key, *each) for each in zip(members, challenges, strict=True)]

    async with MailServer().open() as mail, servers.stack(extra=settings_of(mail)) as stack:

        def tripping_of(count: int) -> Iterator[Operation]:
            return (by_mail(reached, each, mail) for each in itertools.islice(trippers, count))

        async def measured(at: str, operations: Iterable[Operation], *, in_flight: int) -> Figures:
            scene.tell(at)
            before = await meter.read()
            samples = await drive(stack.urls, operations, in_flight=in_flight)
            return Figures.of(OURS, at, samples, (await meter.read()).since(before))

        meter = Meter(servers, stack.pids())
        await drive(stack.urls, await verifying_of(WARM_UP), in_flight=IN_FLIGHT)
        await drive(stack.urls, tripping_of(IN_FLIGHT), in_flight=IN_FLIGHT)
        yield await measured(VERIFY, await verifying_of(verifies), in_flight=IN_FLIGHT)
        yield await measured(ROUND_TRIP, tripping_of(trips), in_flight=IN_FLIGHT)
        mail.seconds_a_mail = SLOW  # for whom the turns beside have left in the queue, too: it is slow for good now
        alone, beside = Samples(), Samples()
        for turn in range(1, TURNS + 1):
            scene.tell(f"{ALONE}, turn {turn} of {TURNS}")
            alone.add(await drive(stack.urls, await verifying_of(by_two), in_flight=2))
            scene.tell(f"{BESIDE}, turn {turn} of {TURNS}")
            operations = await verifying_of(by_two)
            async with alongside(stack.urls, tripping_of(MOST_SLOW // TURNS), in_flight=SENDERS):
                beside.add(await drive(stack.urls, operations, in_flight=2))
        yield Figures.timed(OURS, ALONE, alone)
        yield Figures.timed(OURS, BESIDE, beside)


def _rate_of(at: str) -> Callable[[Results], float]:
    return lambda run: run.value(OURS, at, "rate") / run.value(THEIRS, at, "rate")


def _cpu_of(at: str) -> Callable[[Results], float]:
    return lambda run: _all_cpu(run.of(THEIRS, at)) / _all_cpu(run.of(OURS, at))


def _all_cpu(figures: Figures) -> float:
    return sum(figures.cpu.values()) + sum(figures.servers.values())


def _unchanged(run: Results) -> float:
    return run.value(OURS, BESIDE, "rate") / run.value(OURS, ALONE, "rate")
