"""Lives that nobody has tried before: new ones at each run, as many as a minute and a quarter holds."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from shared.clock import monotonic
from tests.acceptance.properties.deeds import STARTS
from tests.acceptance.properties.machine import lives_of
from tests.acceptance.properties.test_properties import LIVES
from tests.support.in_one_thread import Product

pytestmark = [pytest.mark.lives, pytest.mark.timeout(300)]

ENOUGH = 75.0  # seconds
_SEED = "DESKFACTOR_TEST_SEED"  # of a run that failed, to see it again
A_FEW = settings(LIVES, derandomize=False, max_examples=3, stateful_step_count=40, phases=(Phase.generate,))


@pytest.fixture(scope="module")
def product(new_dsn: Callable[[], str], key_dir: Path) -> Iterator[Product]:
    """Everything in one process, with a database of its own."""
    with Product(new_dsn(), key_dir) as running:
        yield running


def test_lives_that_were_never_tried_break_no_promise(product: Product, capsys: pytest.CaptureFixture[str]) -> None:
    """The bounded run tries the same lives each time; what they all miss is found here, by and by."""
    end = monotonic() + ENOUGH
    given = os.environ.get(_SEED)  # noqa: TID251 - of the tests, not of a service
    while monotonic() < end:
        number = int(given) if given else secrets.randbits(32)
        with capsys.disabled():
            print(f"\n  random lives: {_SEED}={number}", end="", flush=True)
        lives = lives_of(product, STARTS[number % len(STARTS)], salt=number)
        run_state_machine_as_test(seed(number)(lives), settings=A_FEW)
        if given:
            break
