"""`docs/hard-cases.md` and its tests are one list: no case without a test, no test without its case."""

import re

from tests.architecture.source import ROOT

_DOCUMENT = ROOT / "docs/hard-cases.md"
_TEST = re.compile(r"`([a-z_/]+\.py)::(test_[a-z_0-9]+)`")
_DEFINED = re.compile(r"^async def (test_[a-z_0-9]+)\(", re.MULTILINE)


def test_every_case_names_a_test_that_exists() -> None:
    """What is claimed and not shown is a hope."""
    rows = [line for line in _DOCUMENT.read_text().splitlines() if line.startswith("| ") and "| Test |" not in line]
    assert rows
    assert [row for row in rows if not _TEST.search(row)] == []
    named = [found for row in rows for found in _TEST.findall(row)]
    assert [f"{path}::{test}" for path, test in named if test not in _tests_of(path)] == []


def test_every_test_of_a_hard_case_is_in_the_list() -> None:
    """Who adds one says what happens, in words that a helpdesk's developer reads."""
    listed = {test for _, test in _TEST.findall(_DOCUMENT.read_text())}
    folder = ROOT / "tests/acceptance/hard_cases"
    written = {test for path in folder.glob("test_*.py") for test in _tests_of(str(path.relative_to(ROOT / "tests")))}
    assert written
    assert written - listed == set()


def _tests_of(path: str) -> set[str]:
    file = ROOT / "tests" / path
    return set(_DEFINED.findall(file.read_text())) if file.exists() else set()
