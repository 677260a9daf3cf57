"""What is printed is what was measured."""

import pytest

from tests.bench.figures import Figures, Results
from tests.bench.load import Samples
from tests.bench.usage import Used


def test_percentiles_are_in_milliseconds_and_of_the_samples() -> None:
    """A p99 that is a p50 would praise a server that lets one in ten wait."""
    samples = Samples(seconds=[number / 1000 for number in range(1, 102)], elapsed=2.0)
    assert [samples.percentile(each) for each in (50, 95, 99)] == pytest.approx([51, 96, 100])
    assert samples.rate == pytest.approx(50.5)


def test_one_sample_is_every_percentile() -> None:
    """The smallest of runs gives figures, too."""
    assert Samples(seconds=[0.25], elapsed=0.25).percentile(99) == pytest.approx(250)


def test_what_was_used_is_for_one_operation() -> None:
    """Totals of runs of different lengths cannot be compared."""
    before = _used(gateway=1.0, postgres=5.0, statements=1_000, commits=100, messages=50)
    after = _used(gateway=1.5, postgres=6.0, statements=1_500, commits=200, messages=200)
    samples = Samples(seconds=[0.01] * 100, elapsed=1.0)
    figures = Figures.of("verify", "8 in flight", samples, after.since(before))
    assert figures.cpu == {"gateway": 5.0}
    assert figures.servers == {"postgres": 10.0}
    assert figures.cpu_in_all == 5.0
    line = figures.line()
    assert (line["statements"], line["commits"], line["messages"]) == (5.0, 1.0, 1.5)
    assert (line["case"], line["at"], line["rate"]) == ("verify", "8 in flight", 100.0)


def test_a_figure_that_nobody_measured_is_a_mistake() -> None:
    """Taken for zero, it would make a target reached."""
    results = Results({"verify": [Figures(case="verify", at="1 in flight", values={"rate": 1.0})]})
    assert results.value("verify", "1 in flight", "rate") == 1.0
    with pytest.raises(LookupError):
        results.value("verify", "2 in flight", "rate")


def _used(*, gateway: float, postgres: float, statements: int, commits: int, messages: int) -> Used:
    return Used(
        cpu_seconds={"gateway": gateway},
        server_seconds={"postgres": postgres},
        statements=statements,
        commits=commits,
        messages=messages,
    )
