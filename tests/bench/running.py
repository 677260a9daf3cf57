"""Runs cases: servers once, for each case a database of its own; a line of JSON for every figure as it is known."""

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import uvloop

from services.cli.benchmark import NoBenchmark, PeerPlace
from shared.observability.logging import configure_logging
from tests.bench.case import QUICK, Case, Scene, Tell
from tests.bench.cases import named
from tests.bench.figures import Figures, Results
from tests.bench.machine import describe
from tests.bench.peer import peer_case
from tests.bench.record import Record, recording
from tests.bench.report import Report, shown, write
from tests.bench.rig import Servers, open_servers
from tests.bench.showing import Show, showing
from tests.bench.targets import judge
from tests.support.unpacked import NotInstalled


def bench(
    names: Sequence[str],
    *,
    is_quick: bool = False,
    runs: int = 1,
    out: Path | None = None,
    page: Path | None = None,
    peer: PeerPlace | None = None,
    is_resumed: bool = False,
) -> bool:
    """Measure the cases of these names, or all; whether every target was reached in every run.

    ``out``: a file for the lines instead of stdout; ``page``: the document to be written; ``peer``: the case `peer` is
    there, too; ``is_resumed``: what ``out`` has of an earlier call is not measured again. Raises `NoSuchCase`,
    `NoBenchmark` without RabbitMQ. A case that fails is said to have failed.
    """
    configure_logging("error", service="bench")
    if page is not None and not page.absolute().parent.is_dir():
        raise NoBenchmark(f"{page} cannot be written: there is no such folder.")
    try:
        machine = describe()
    except NotInstalled as error:
        raise NoBenchmark(str(error)) from None
    with contextlib.ExitStack() as stack:
        cases = named(names, [stack.enter_context(peer_case(peer))] if peer is not None else ())
        scale = QUICK if is_quick else 1.0
        setting = {"machine": replace(machine, date="").sentence.lstrip(", "), "scale": scale}
        record = stack.enter_context(recording(out, setting=setting, is_resumed=is_resumed))
        show = stack.enter_context(showing(len(cases) * runs))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deskfactor-bench-")))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                results = runner.run(_runs(cases, folder, scale=scale, runs=runs, record=record, show=show))
            except asyncio.CancelledError:  # SIGTERM
                raise KeyboardInterrupt from None
    report = Report(
        machine=machine,
        is_quick=is_quick,
        judgements=[(case, judge(case.targets, results)) for case in cases],
        runs=results,
    )
    if page is not None:
        write(page, report)
    print(shown(report), file=sys.stderr if out is None else sys.stdout)
    return report.is_reached


async def _runs(
    cases: Sequence[Case], folder: Path, *, scale: float, runs: int, record: Record, show: Show
) -> list[Results]:
    task = asyncio.current_task()
    assert task is not None  # it is run
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # all is stopped in order
    results = []
    async with open_servers(folder) as servers:
        for run in range(1, runs + 1):
            by_case: dict[str, Sequence[Figures]] = {}
            for number, case in enumerate(cases):
                done, title = (run - 1) * len(cases) + number, f"{case.name}, run {run} of {runs}"
                by_case[case.name] = record.figures(run, case.name) or await _measure(
                    case, run, servers, f"bench_{done}", scale, _teller(show, done, title), record
                )
            results.append(Results(by_case))
    return results


async def _measure(
    case: Case, run: int, servers: Servers, database: str, scale: float, tell: Tell, record: Record
) -> Sequence[Figures]:
    """The figures of a case; none where it failed: an hour of the others is not lost by it, nor is it passed over."""
    figures = []
    try:
        async with servers.apart(database) as own:
            async for each in case.measure(Scene(servers=own, scale=scale, tell=tell)):
                figures.append(each)
                record.say(run, case.name, each)
    except Exception as error:  # noqa: BLE001 - of whatever kind: said, and the case is not measured
        record.fail(run, case.name, _reason(error))
        print(f"{case.name} failed: {_reason(error)}", file=sys.stderr)
        return []
    record.finish(run, case.name)
    return figures


def _reason(error: BaseException) -> str:
    """Of several at once, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _teller(show: Show, done: int, title: str) -> Tell:
    return lambda text: show(done, f"{title}: {text}")
