"""A run that was interrupted goes on, with figures that belong together."""

from pathlib import Path

import pytest

from services.cli.benchmark import NoBenchmark
from tests.bench.figures import Figures
from tests.bench.record import recording

HERE = {"machine": "2 cores", "scale": 1.0}
SLOW = Figures(case="verify", at="1 in flight", values={"rate": 90.0}, cpu={"gateway": 1.5}, servers={"postgres": 2.0})
FAST = Figures(case="verify", at="8 in flight", values={"rate": 400.0})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """What a run left that was killed in its second case."""
    path = tmp_path / "bench.jsonl"
    with recording(path, setting=HERE, is_resumed=False) as record:
        record.say(1, "verify", SLOW)
        record.say(1, "verify", FAST)
        record.finish(1, "verify")
        record.say(1, "login", FAST)
    with path.open("a") as lines:
        lines.write('{"run": 1, "of": "lo')
    return path


def test_what_is_finished_is_not_measured_again(out: Path) -> None:
    """A whole run takes an hour, and a laptop goes to sleep."""
    with recording(out, setting=HERE, is_resumed=True) as record:
        assert record.figures(1, "verify") == [SLOW, FAST]


def test_what_was_interrupted_or_belongs_to_another_run_is_measured(out: Path) -> None:
    """Half a case would be taken for all of it, and one run for three."""
    with recording(out, setting=HERE, is_resumed=True) as record:
        assert record.figures(1, "login") is None
        assert record.figures(2, "verify") is None


def test_a_run_goes_on_more_than_once(out: Path) -> None:
    """Lines of each time are kept; of the half line nothing is left over."""
    with recording(out, setting=HERE, is_resumed=True) as record:
        record.say(1, "login", SLOW)
        record.finish(1, "login")
    with recording(out, setting=HERE, is_resumed=True) as record:
        assert record.figures(1, "verify") == [SLOW, FAST]
        assert record.figures(1, "login") == [SLOW]


def test_figures_of_a_failed_case_do_not_count(tmp_path: Path) -> None:
    """It gave some before it failed."""
    path = tmp_path / "bench.jsonl"
    with recording(path, setting=HERE, is_resumed=True) as record:
        record.say(1, "verify", SLOW)
        record.fail(1, "verify", "WrongAnswer: 503")
    with recording(path, setting=HERE, is_resumed=True) as record:
        assert record.figures(1, "verify") is None


def test_what_was_measured_elsewhere_is_refused(out: Path) -> None:
    """Ratios within one run mean something, and between two machines nothing."""
    with (
        pytest.raises(NoBenchmark, match="another machine"),
        recording(out, setting=HERE | {"machine": "64 cores"}, is_resumed=True),
    ):
        pass


def test_without_resume_it_begins_anew(out: Path) -> None:
    """Who asks for three runs gets three of today."""
    with recording(out, setting=HERE, is_resumed=False) as record:
        assert record.figures(1, "verify") is None


def test_going_on_needs_a_file() -> None:
    """Lines that went to a terminal are gone."""
    with pytest.raises(NoBenchmark, match="--out"), recording(None, setting=HERE, is_resumed=True):
        pass
