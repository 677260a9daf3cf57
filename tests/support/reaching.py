"""What a function may come to name: its own code, and that of all of ours that it calls, as far as names tell."""

import enum
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar

E = TypeVar("E", bound=enum.Enum)

OURS = ("services.", "shared.rules.", "shared.db.admin")


def named(function: Callable[..., Any], of: type[E], *, within: tuple[str, ...] = OURS) -> set[E]:
    """The members of an enumeration that the function, or what it calls, names. Too many rather than too few."""
    members: set[E] = set()
    for each in _reached(function, within):
        names = _names(each.__code__)
        if any(each.__globals__.get(name) is of for name in names):
            members |= {member for name, member in of.__members__.items() if name in names}
        for name in names & each.__globals__.keys():
            members |= set(_members_in(each.__globals__[name], of))
    return members


def classes_named(function: Callable[..., Any], base: type, *, within: tuple[str, ...]) -> set[type]:
    """The classes of a kind that the function, or what it calls, makes."""
    return {
        found
        for each in _reached(function, within)
        for name in _names(each.__code__) & each.__globals__.keys()
        if inspect.isclass(found := each.__globals__[name]) and issubclass(found, base) and found is not base
    }


def _reached(function: Callable[..., Any], within: tuple[str, ...]) -> Iterator[FunctionType]:
    """The function and all of ours that it reaches, each once."""
    waiting: list[object] = [function]
    seen: set[object] = set()
    while waiting:
        each = waiting.pop()
        if not isinstance(each, FunctionType) or each in seen or not each.__module__.startswith(within):
            continue
        seen.add(each)
        yield each
        names = _names(each.__code__)
        for name in names & each.__globals__.keys():
            waiting.extend(_called(each.__globals__[name], names))


def _called(found: object, names: set[str]) -> Iterator[object]:
    """What a global may lead to: itself, a module's functions, a class's methods, a table's values."""
    match found:
        case FunctionType():
            yield found
        case ModuleType():
            yield from (each for name, each in vars(found).items() if name in names)
        case type():
            members = [each for each in vars(found).values() if not isinstance(each, type)]
            yield from (getattr(each, "fget", None) or getattr(each, "__func__", each) for each in members)
        case Mapping():
            yield from found.values()
        case _:
            return


def _members_in(found: object, of: type[E]) -> Iterator[E]:
    """Members that a module's constant holds."""
    match found:
        case Mapping():
            yield from (each for pair in found.items() for each in pair if isinstance(each, of))
        case tuple() | frozenset():
            yield from (each for each in found if isinstance(each, of))
        case _:
            if isinstance(found, of):
                yield found


def _names(code: CodeType) -> set[str]:
    """Every name in a piece of code and in what is defined inside it."""
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*map(_names, inner))
