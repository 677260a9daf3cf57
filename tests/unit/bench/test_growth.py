"""What costs more among many is told from what costs more in a bad moment."""

from tests.bench.figures import Figures, Results
from tests.bench.growth import CASE, cheaper_half


def test_whole_turns_count_and_only_the_cheaper_half() -> None:
    """Statements of one turn beside the CPU of another would be of frames that nobody sent."""
    turns = [
        _turn(statements=0.4, ours=0.9, postgres=0.2),
        _turn(statements=0.5, ours=0.7, postgres=0.3),
        _turn(statements=0.7, ours=0.6, postgres=0.3),
    ]
    assert cheaper_half(turns) == _turn(statements=0.6, ours=0.65, postgres=0.3)


def test_one_turn_is_its_own_half() -> None:
    """A quick run has one, and still says something."""
    assert cheaper_half([_turn(statements=0.4, ours=0.9, postgres=0.2)]) == _turn(
        statements=0.4, ours=0.9, postgres=0.2
    )


def test_the_dearest_size_is_compared_with_the_cheapest() -> None:
    """A size in the middle that is dear is growth, too."""
    by_accounts = [
        _turn("1,000 accounts", statements=0.4, ours=0.7, postgres=0.2),
        _turn("100,000 accounts", statements=0.6, ours=0.77, postgres=0.2),
        _turn("1,000,000 accounts", statements=0.4, ours=0.7, postgres=0.25),
    ]
    run = Results({"growth": by_accounts})
    assert [round(target.value(run), 2) for target in CASE.targets[:3]] == [1.5, 1.1, 1.25]


def _turn(at: str = "1 tenant", *, statements: float, ours: float, postgres: float) -> Figures:
    return Figures(
        case="growth", at=at, values={"statements": statements}, cpu={"gateway": ours}, servers={"postgres": postgres}
    )
