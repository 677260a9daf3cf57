"""The table that `make bench` prints, and the page of the documents that is made of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.case import QUICK, Case
from tests.bench.figures import Figures, Results
from tests.bench.machine import Machine
from tests.bench.targets import Judgement, number

_INTRODUCTION = """# How fast, and at what cost

Written by `make bench`; not by hand. Real PostgreSQL with `synchronous_commit=on`, real RabbitMQ with quorum queues,
each service its own process, the load generator another; everything on one machine, so each has a part of its cores. An
answer that is not right ends its case, which has no figures then. What it costs, and where it goes from one
machine to many, is in the figures of CPU an operation: they hold on a busy machine too, and rates do not.

The *floor* is what somebody would write without any of this: one process, one transaction a request, straight on
PostgreSQL, with the same checks and the same rows, no broker, no audit chain, nobody to tell (`tests/bench/floor.py`).

CPU is counted until the last message that an operation caused is handled, audit and webhooks included. *Messages* are
those that the broker was handed, replies included. Each row of the first table is reached when every run reached it.
What bounds the rows that are not reached on a machine of two cores is in [scaling](scaling.md), under "What bounds a
verify".
"""
_QUICK = f"""
> This was a quick run, at {QUICK:.0%} of the sizes: it shows that all works, not how fast.
"""
_UNITS = """
Of the last run. `rate` is operations a second; `p50`, `p95` and `p99` are milliseconds; statements, commits, messages
and CPU (milliseconds) are for one operation. CPU is of our processes together; PostgreSQL and RabbitMQ, with all of
theirs, are in the second table of a case.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is known after the last run."""

    machine: Machine
    is_quick: bool
    judgements: Sequence[tuple[Case, Sequence[Judgement]]]
    runs: Sequence[Results]

    @property
    def is_reached(self) -> bool:
        """Whether everything was, every time."""
        return all(each.verdict == "yes" for _, judged in self.judgements for each in judged)


def table(report: Report) -> str:
    """Targets and figures, as Markdown that a terminal shows well enough."""
    rows = [
        (case.name, each.target.what, each.target.to_reach, each.figures, each.verdict)
        for case, judged in report.judgements
        for each in judged
    ]
    return _table(("case", "what", "to reach", "each run", "reached"), rows)


def shown(report: Report) -> str:
    """The table for whoever waits for it: after a quick run they are told what its verdicts are worth."""
    return table(report) + (_QUICK if report.is_quick else "")


def page(report: Report) -> str:
    """The whole document."""
    parts = [
        _INTRODUCTION,
        _QUICK if report.is_quick else "",
        f"\nMeasured {report.machine.sentence}; {_times(len(report.runs))}.\n",
        "\n## What is to be reached\n\n",
        table(report),
        "\n## All figures\n",
        _UNITS,
        *(_section(case, report.runs[-1].by_case[case.name]) for case, _ in report.judgements),
    ]
    return "".join(parts)


def write(path: Path, report: Report) -> None:
    """Put the document in the place of the one before."""
    path.write_text(page(report), encoding="utf-8")


def _section(case: Case, figures: Sequence[Figures]) -> str:
    if not figures:
        return f"\n### {case.name}\n\n{case.what}\n\nIt failed.\n"
    names = list(dict.fromkeys(name for each in figures for name in each.values))
    has_cpu = any(each.cpu for each in figures)
    headings = ["what", "at", *(name.replace("_", " ") for name in names), *(["CPU"] if has_cpu else [])]
    rows = [
        [
            each.case.replace("_", " "),
            each.at,
            *(number(each.values[name]) if name in each.values else "" for name in names),
            *([number(each.cpu_in_all) if each.cpu else ""] if has_cpu else []),
        ]
        for each in figures
    ]
    return f"\n### {case.name}\n\n{case.what}\n\n{_table(headings, rows)}{_processes(figures)}"


def _processes(figures: Sequence[Figures]) -> str:
    """CPU of each process."""
    measured = [each for each in figures if each.cpu]
    if not measured:
        return ""
    names = list(dict.fromkeys(name for each in measured for name in (*each.cpu, *each.servers)))
    rows = [[each.case.replace("_", " "), each.at, *(number(_cpu(each, name)) for name in names)] for each in measured]
    return f"\nCPU of each:\n\n{_table(['what', 'at', *names], rows)}"


def _cpu(figures: Figures, name: str) -> float:
    return {**figures.cpu, **figures.servers}.get(name, 0.0)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _times(runs: int) -> str:
    return "one run" if runs == 1 else f"{runs} runs"
