"""A test that sleeps is slow on a good day and wrong on a bad one."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import here, python_files, tree

_SHORT = 0.25  # seconds between two looks at something that will be so before a deadline


def test_a_sleep_is_a_pause_of_a_poll() -> None:
    """Between two looks a test may rest for a moment; a fixed wait for something to have happened is a race."""
    long = [
        here(path, call)
        for path in python_files("tests")
        for call, in_loop in _sleeps(path)
        if not (in_loop or _is_a_yield(call))
    ]
    assert long == []


def test_nothing_is_mocked() -> None:
    """A mock of what we own agrees with whoever wrote it; the real thing has its own opinion."""
    mocks = [
        here(path, node)
        for path in python_files("tests")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any("mock" in name for name in (getattr(node, "module", None) or "", *(each.name for each in node.names)))
    ]
    assert mocks == []


def _sleeps(path: Path) -> Iterator[tuple[ast.Call, bool]]:
    """Calls of ``….sleep``, and whether each is inside a loop and short where its length is written there."""

    def walk(node: ast.AST, *, in_loop: bool) -> Iterator[tuple[ast.Call, bool]]:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sleep":
            yield node, in_loop and (_seconds(node) <= _SHORT or "faults" in path.parts)  # a fault has its schedule
        inside = in_loop or isinstance(node, ast.While | ast.For | ast.AsyncFor)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inside = False
        for child in ast.iter_child_nodes(node):
            yield from walk(child, in_loop=inside)

    return walk(tree(path), in_loop=False)


def _is_a_yield(call: ast.Call) -> bool:
    """``sleep(0)`` lets other tasks run."""
    return _seconds(call) == 0 and isinstance(call.args[0], ast.Constant)


def _seconds(call: ast.Call) -> float:
    """The written length; 0 for a name, whose value is said elsewhere."""
    argument = call.args[0] if call.args else None
    return (
        float(argument.value) if isinstance(argument, ast.Constant) and isinstance(argument.value, int | float) else 0.0
    )
