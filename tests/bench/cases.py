"""Every case, in the order in which they run. One more is a module with a `CASE`, and a line here."""

from collections.abc import Sequence

from services.cli.benchmark import NoSuchCase
from tests.bench import audit, fairness, growth, login, mailed_code, memory, scale_out, timers, verify
from tests.bench.case import Case

CASES: tuple[Case, ...] = (
    verify.CASE,
    login.CASE,
    mailed_code.CASE,
    fairness.CASE,
    timers.CASE,
    audit.CASE,
    growth.CASE,
    memory.CASE,
    scale_out.CASE,
)


def named(names: Sequence[str], more: Sequence[Case] = ()) -> list[Case]:
    """The cases of these names, or all, with those that only this run has. Raises `NoSuchCase`."""
    known = {case.name: case for case in (*CASES, *more)}
    unknown = [name for name in names if name not in known]
    if unknown:
        hint = " The case peer needs --dir." if "peer" in unknown else ""
        raise NoSuchCase(f"There is no case {', '.join(unknown)}. There are: {', '.join(known)}.{hint}")
    return [known[name] for name in dict.fromkeys(names)] if names else list(known.values())
