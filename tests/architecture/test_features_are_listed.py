"""Two tables for people, kept true: docs/features.md, each feature with the tests that show it, and docs/api.md."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.gateway.api.routes import ROUTES, listed
from tests.architecture.source import ROOT, here, tree

_FOLDER = ROOT / "tests" / "acceptance" / "rows"
_FEATURES = (ROOT / "docs/features.md").read_text()
_API = (ROOT / "docs/api.md").read_text()
_ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_TEST = re.compile(r"`([a-z_/]+\.py::test_row_(\d\d)_[a-z_0-9]+)`")
_CALL = re.compile(r"`(GET|PUT|POST|PATCH|DELETE) ([^`]+)`")
_BELOW_ACCOUNT = "/v1/accounts/{account_id}"
_NEEDS_KEY = re.compile(r"^\| `(\w+) ([^`]+)` \|[^|]*\| (yes)? ?\|$", re.MULTILINE)
_LAST_ROW = 32
_OVER_HTTP = ("tests.support.", "services.cli.demo.", "shared.ids")
"""What a test of a row may use of our own: a backend's client, simulators, and the stack itself."""


def _calls(text: str) -> set[tuple[str, str]]:
    return {(method, path.replace("…", _BELOW_ACCOUNT)) for method, path in _CALL.findall(text)}


def _written() -> Iterator[tuple[Path, ast.AsyncFunctionDef]]:
    """The tests of the rows, where they are."""
    for path in sorted(_FOLDER.glob("test_*.py")):
        for node in tree(path).body:
            if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield path, node


def test_every_row_is_there_once_and_in_order() -> None:
    """Whoever asks "does it do what our old helpdesk did?" finds the row, and finds it in its place."""
    rows = [int(number) for number, *_ in _ROW.findall(_FEATURES)]
    assert rows == list(range(1, _LAST_ROW + 1))


def test_every_row_names_its_own_tests_and_no_test_is_left_out() -> None:
    """A feature without a test is a promise; a test in another row's place shows something else."""
    named: dict[int, set[str]] = {}
    for number, _, _, _, tests in _ROW.findall(_FEATURES):
        named[int(number)] = {name for name, of in _TEST.findall(tests) if int(of) == int(number)}
        assert len(named[int(number)]) == tests.count("`") // 2 > 0, f"row {number}"
    written: dict[int, set[str]] = defaultdict(set)
    for path, node in _written():
        assert node.name.startswith("test_row_"), here(path, node)
        written[int(node.name[9:11])].add(f"{path.relative_to(ROOT / 'tests')}::{node.name}")
    assert named == written


def test_every_test_of_a_row_runs_on_both_buses_and_uses_http_alone() -> None:
    """What a test reaches around the API, a helpdesk cannot."""
    for path, node in _written():
        assert node.args.args[0].arg == "stack", here(path, node)
    reached = [
        here(path, node)
        for path in _FOLDER.glob("*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(("services", "shared", "tests", "asyncpg"))
        and not (node.module or "").startswith(_OVER_HTTP)
    ]
    assert reached == []


@pytest.mark.parametrize("text", [_FEATURES, _API], ids=["features", "api"])
def test_every_call_that_is_named_exists(text: str) -> None:
    """A reader types it."""
    assert _calls(text) - {(each.method, each.path) for each in listed()} == set()


def test_the_overview_leaves_no_call_out() -> None:
    """What is not in docs/api.md is found by nobody: a new route has a line there."""
    assert {(each.method, each.path) for each in listed()} - _calls(_API) == set()


def test_the_overview_says_which_calls_need_an_idempotency_key() -> None:
    """Without one they are refused."""
    said = {(method, path.replace("…", _BELOW_ACCOUNT)): bool(yes) for method, path, yes in _NEEDS_KEY.findall(_API)}
    assert said == {(route.method, route.path): route.is_idempotent for route in ROUTES}
