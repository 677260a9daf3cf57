"""The page that is made of figures says what they say."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.cli.benchmark import NoSuchCase, PeerPlace
from services.cli.commands.bench import CASES as CASES_IN_HELP
from tests.bench.case import Case, Scene
from tests.bench.cases import CASES, named
from tests.bench.figures import Figures, Results
from tests.bench.machine import Machine
from tests.bench.peer import ALONE, VERIFY, best_of, peer_case
from tests.bench.privacyidea import PeerFailed
from tests.bench.report import Report, page, shown, table, write
from tests.bench.targets import at_least, at_most, judge

_MACHINE = Machine(
    date="2026-11-22",
    processor="Processor",
    cores=2,
    memory_gib=24,
    system="Linux 6.1",
    python="3.11.7",
    postgres="18.0",
    rabbitmq="3.10.8",
)
_TARGETS = (
    at_least(100, "a second", "rate", lambda run: run.value("walk", "1 in flight", "rate")),
    at_most(0.8, "ms", "CPU", lambda run: run.of("walk", "1 in flight").cpu_in_all),
)


async def _nothing(_scene: Scene) -> AsyncIterator[Figures]:
    return
    yield


_WALK = Case(name="walk", what="a walk in the park", measure=_nothing, targets=_TARGETS)


def test_a_target_is_reached_when_every_run_reached_it() -> None:
    """One good run of three is luck, and is told."""
    rate, cpu = judge(_TARGETS, [_run(120, 0.5), _run(90, 0.5), _run(100, 0.81)])
    assert rate.verdict == "no (2 of 3 runs)"
    assert cpu.verdict == "no (2 of 3 runs)"
    assert [each.verdict for each in judge(_TARGETS, [_run(100, 0.8)])] == ["yes", "yes"]
    assert [each.verdict for each in judge(_TARGETS, [_run(1, 8)])] == ["no", "no"]


def test_the_table_has_the_figures_of_every_run() -> None:
    """Whoever doubts a line sees what it was made of."""
    lines = table(_report(_run(12_345, 0.5), _run(90, 0.75))).splitlines()
    assert lines[2] == "| walk | rate | ≥ 100 a second | 12,345 · 90 | no (1 of 2 runs) |"
    assert lines[3] == "| walk | CPU | ≤ 0.8 ms | 0.5 · 0.75 | yes |"


def test_the_page_says_on_what_it_was_measured_and_gives_all_figures(tmp_path: Path) -> None:
    """A rate without its machine compares with nothing."""
    path = tmp_path / "performance.md"
    write(path, _report(_run(120, 0.5)))
    text = path.read_text()
    assert "2 cores of Processor, 24 GiB, Linux 6.1, Python 3.11.7, PostgreSQL 18.0, RabbitMQ 3.10.8; one run." in text
    assert "| walk | 1 in flight | 120 | 0.5 |" in text
    assert "| walk | 1 in flight | 0.5 | 0.1 |" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120 + len(_MACHINE.sentence)


def test_a_quick_run_is_not_taken_for_a_measurement() -> None:
    """Its figures are of the first second of everything."""
    assert "quick run" in page(_report(_run(1, 1), is_quick=True))
    assert "quick run" in shown(_report(_run(1, 1), is_quick=True))
    assert "quick run" not in page(_report(_run(1, 1)))
    assert shown(_report(_run(1, 1))) == table(_report(_run(1, 1)))


def test_what_was_not_measured_is_not_said_to_be_nothing() -> None:
    """A look whose CPU nobody counted has none in its row: 0 would be a figure, and a good one."""
    apart = Figures(case="walk", at="alone", values={"rate": 7.0})
    text = page(_report(Results({"walk": [*_run(120, 0.5).by_case["walk"], apart]})))
    assert "| walk | 1 in flight | 120 | 0.5 |" in text
    assert "| walk | alone | 7 |  |" in text


def test_a_case_that_failed_is_not_taken_for_reached() -> None:
    """An answer was wrong: there is nothing to be proud of, and somebody must look."""
    failed = Results({"walk": []})
    assert [each.verdict for each in judge(_TARGETS, [_run(120, 0.5), failed])] == ["not measured"] * 2
    report = _report(_run(120, 0.5), failed)
    assert not report.is_reached
    assert "| 120 · none | not measured |" in table(report)
    assert "It failed." in page(report)


def test_cases_are_found_by_name() -> None:
    """A mistyped name measures nothing, and is told what there is."""
    assert named([]) == list(CASES)
    assert [case.name for case in named(["login", "verify"])] == ["login", "verify"]
    with pytest.raises(NoSuchCase, match=r"no case flight.*verify"):
        named(["login", "flight"])


def test_the_help_names_every_case() -> None:
    """Who is to choose must know from what; the list in the help is written by hand."""
    assert f"{', '.join(case.name for case in CASES)}; peer with --dir" == CASES_IN_HELP


def test_the_peer_is_a_case_where_its_scripts_are_given(tmp_path: Path) -> None:
    """Without them nothing of it can be measured; with them a run of everything has it, too."""
    with pytest.raises(NoSuchCase, match="no case peer"):
        named(["peer"])
    place = PeerPlace(scripts=tmp_path, state=tmp_path / "state")
    with pytest.raises(PeerFailed, match="no run_peer"), peer_case(place):
        pass
    (tmp_path / "run_peer.sh").touch()
    with peer_case(place) as case:
        assert named(["peer"], [case]) == [case]
        assert named([], [case]) == [*CASES, case]


def test_of_the_peers_set_ups_each_line_has_the_better_one() -> None:
    """It is compared at its best; cores used are CPU an operation once the rate is known."""
    rows = [(VERIFY, _row(20.0, server=1.2, postgres=0.4)), (ALONE, _row(9.0)), (VERIFY, _row(25.0, server=1.5))]
    verify, alone = best_of(rows)
    assert (verify.at, verify.values["rate"], verify.cpu, verify.servers) == (
        VERIFY,
        25.0,
        {"privacyidea": 60.0},
        {"postgres": 20.0},
    )
    assert alone.values["rate"] == 9.0


def _row(rate: float, *, server: float = 1.0, postgres: float = 0.5) -> dict[str, object]:
    cpu = {"server": server, "postgres": postgres}
    return {"n": 250, "per_s": rate, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0, "cpu": cpu}


def _run(rate: float, cpu: float) -> Results:
    figures = Figures(
        case="walk", at="1 in flight", values={"rate": rate}, cpu={"gateway": cpu}, servers={"postgres": 0.1}
    )
    return Results({"walk": [figures]})


def _report(*runs: Results, is_quick: bool = False) -> Report:
    return Report(machine=_MACHINE, is_quick=is_quick, judgements=[(_WALK, judge(_TARGETS, runs))], runs=runs)
