"""One word for one thing. docs/glossary.md says which; a second word for it would be read as a second thing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, here, python_files, tree

_GLOSSARY = (ROOT / "docs/glossary.md").read_text()
_ROW = re.compile(r"^\|[^|]+\|[^|]+\|([^|]*)\|$", re.MULTILINE)
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_BANNED = {word for cell in _ROW.findall(_GLOSSARY) for word in re.findall(r"`([a-z_]+)`", cell)}
_BANNED |= {"timestamp", "util", "utils", "helper", "helpers", "manager", "misc"}
_OTHERS = ("user_agent", "useragent", "username")  # HTTP's and SMTP's own words
_HAS_REAL_USERS = ROOT / "services" / "cli" / "embedded"  # those of the operating system and of the database server


@pytest.mark.parametrize("folder", ["services", "shared"])
def test_names_use_the_words_of_the_glossary(folder: str) -> None:
    """Is a member an account? Is a user? Nobody who reads the code should have to ask."""
    assert [
        f"{here(path, node)} {name}"
        for path in python_files(folder)
        if not path.is_relative_to(_HAS_REAL_USERS)
        for node, name in _names(path)
        if _banned_in(name)
    ] == []


@pytest.mark.parametrize("folder", ["services", "shared", "tests"])
def test_modules_use_the_words_of_the_glossary(folder: str) -> None:
    """A file's name is the first word that somebody looks for."""
    assert [here(path) for path in python_files(folder) if _banned_in(path.stem)] == []


def test_the_glossary_and_this_test_agree() -> None:
    """The glossary is the source: a word that it loses is one that nobody looks for any more."""
    assert {"user", "enrollment", "dlq", "organization", "job"} <= _BANNED
    assert all(f"`{word}`" in _GLOSSARY for word in _BANNED)


def _banned_in(name: str) -> bool:
    for others in _OTHERS:
        name = re.sub(others, "", name, flags=re.IGNORECASE)
    words = [word.lower() for word in _WORD.findall(name)]
    return any(word in _BANNED for word in [*words, "_".join(words)])


def _names(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Names that the module gives: of functions, classes, parameters, variables and attributes."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node, name
            case _:
                pass
