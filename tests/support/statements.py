"""Every statement that services and the bus send, found in the source: a new one is judged without being listed."""

import ast
import importlib
import inspect
import itertools
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import FunctionType

from tests.architecture.source import SERVICES, modules

_METHODS = {"execute", "executemany", "fetch", "fetchrow", "fetchval"}
_PACKAGES = {f"services.{name}.queries": f"deskfactor_{name}" for name in SERVICES} | {
    "shared.messaging": "deskfactor_otp_worker",
    "shared.db.account_lock": "deskfactor_otp_worker",
    "shared.db.admin_action": "deskfactor_otp_worker",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: the function that sends it, its text, and the role that it is sent as."""

    sender: str  # module and qualified name, without what they all begin with
    sql: str = field(repr=False)
    role: str


def statements() -> list[Statement]:
    """All of them. A text that is put together in more than one way is several statements."""
    return [
        Statement(_short(function), textwrap.dedent(sql).strip(), role)
        for package, role in _PACKAGES.items()
        for function in _functions(package)
        for sql in _texts(function)
    ]


def _short(function: FunctionType) -> str:
    name = f"{function.__module__}.{function.__qualname__}"
    return name.removeprefix("services.").removeprefix("shared.").replace(".queries.", ".")


def _functions(package: str) -> Iterator[FunctionType]:
    found = importlib.import_module(package)
    for module in modules(package) if hasattr(found, "__path__") else [found]:
        members = [*vars(module).values()]
        members += [method for each in members if inspect.isclass(each) for method in vars(each).values()]
        yield from (
            each for each in members if inspect.iscoroutinefunction(each) and each.__module__ == module.__name__
        )


def _texts(function: FunctionType) -> Iterator[str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(function)))
    local = {
        node.targets[0].id: node.value
        for node in ast.walk(body)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(body):
        match node:
            case ast.Call(func=ast.Attribute(attr=method), args=[text, *_]) if method in _METHODS:
                yield from _values(text, local, function.__globals__)
            case _:
                pass


def _values(node: ast.expr, local: Mapping[str, ast.expr], known: dict[str, object]) -> list[str]:
    """What an expression of the source may be: constants, names, words chosen by a condition."""
    match node:
        case ast.Constant(value=value):
            return [str(value)]
        case ast.JoinedStr(values=parts):
            return ["".join(chosen) for chosen in itertools.product(*(_values(part, local, known) for part in parts))]
        case ast.FormattedValue(value=inner):
            return _values(inner, local, known)
        case ast.IfExp(body=one, orelse=other):
            return _values(one, local, known) + _values(other, local, known)
        case ast.Name(id=name) if name in local:
            return _values(local[name], local, known)
        case ast.Name(id=name):
            return [str(known[name])]
        case _:
            raise AssertionError(f"a statement is put together as the tests cannot follow: {ast.unparse(node)}")
