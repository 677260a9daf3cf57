"""The project's own source as the tests of architecture read it: files, syntax trees, the texts that are SQL."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
MESSAGE_SERVICES = ("otp_worker", "policy", "notifier", "audit")
SERVICES = ("gateway", *MESSAGE_SERVICES)

_SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|LOCK TABLE|CALL)\b")


def python_files(*folders: str) -> list[Path]:
    """Every module under these folders of the project, in order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(path.read_text(), str(path))


def here(path: Path, node: ast.AST | None = None) -> str:
    """How a test names a place."""
    line = getattr(node, "lineno", None)
    return f"{path.relative_to(ROOT)}" + (f":{line}" if line else "")


def sql_texts(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """The string constants of a module that hold a statement. A docstring is none."""
    docstrings = {
        id(node.value)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree(path)):
        match node:
            case ast.Constant(value=str() as text) if id(node) not in docstrings and _SQL.search(text):
                yield node, text


def modules(*packages: str) -> Iterator[ModuleType]:
    """Every module of these packages, imported; those that run something when imported are left out."""
    for name in packages:
        package = importlib.import_module(name)
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not found.name.endswith(".__main__"):
                yield importlib.import_module(found.name)
