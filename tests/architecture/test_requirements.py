"""The locks say exactly what is installed, and nothing about where this or that machine takes it from."""

import re
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[2] / "requirements"
_LINES = re.compile(
    r"[a-z0-9._\[\],-]+==[^ ]+( ; [^\\]+)? \\"  # a pin, with a marker where only some platforms need it
    r"|    --hash=sha256:[0-9a-f]{64}( \\)?"
    r"|    # .*"  # who asked for it
)


@pytest.mark.parametrize("name", ["run.lock", "test.lock"])
def test_a_lock_is_pins_with_hashes_and_nothing_else(name: str) -> None:
    """An index's address in a lock would send everybody's installs there; a pin without a hash would take anything."""
    lines = (_FOLDER / name).read_text().splitlines()
    assert [line for line in lines if not _LINES.fullmatch(line)] == []
    assert [line for line in lines if "://" in line] == []


def test_what_runs_is_pinned_alike_for_the_tests() -> None:
    """Tests on other versions than the ones that run would vouch for something that nobody has."""
    runs, tests = (_pins(_FOLDER / name) for name in ("run.lock", "test.lock"))
    assert {name: tests[name] for name in runs.keys() & tests.keys() if tests[name] != runs[name]} == {}


def _pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ]+)", lock.read_text(), flags=re.MULTILINE))
