"""Whatever people do in whatever order: no code twice, nobody locked out who has a factor, 2FA never off too early."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.acceptance.properties.deeds import STARTS
from tests.acceptance.properties.machine import lives_of
from tests.support.in_one_thread import Product

pytestmark = pytest.mark.acceptance

LIVES = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=2,
    stateful_step_count=16,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


@pytest.fixture(scope="module")
def product(new_dsn: Callable[[], str], key_dir: Path) -> Iterator[Product]:
    """Everything, with a database of its own: other tests' messages would keep it from being quiet."""
    with Product(new_dsn(), key_dir) as running:
        yield running


@pytest.mark.parametrize("start", STARTS)
def test_no_life_breaks_a_promise(product: Product, start: str) -> None:
    """Each rule is right by itself; what breaks a system is their order. The same lives each time, bounded."""
    run_state_machine_as_test(lives_of(product, start), settings=LIVES)
