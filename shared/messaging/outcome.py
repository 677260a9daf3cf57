"""What a handler may say of a message. A refusal is an answer, not an exception."""

from dataclasses import dataclass

from shared.contracts.replies import Refusal, RefusalCode
from shared.contracts.types import Value


@dataclass(frozen=True, slots=True)
class Done:
    """Commit, acknowledge. Also for what turned out to be nothing to do."""


@dataclass(frozen=True, slots=True)
class Discard:
    """Will never succeed: roll back, set aside as a dead letter with this machine word."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ok:
    """Commit, and answer the request. `holds_secret`: the answer is kept for ten minutes only, then 409."""

    data: Value
    holds_secret: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Commit what was counted, and answer the request with a refusal."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Deferred:
    """Of a handler of lists: this one could not be judged together with the others; it goes singly."""


Outcome = Done | Discard | Ok | Refused
ListOutcome = Outcome | Deferred


def refuse(
    code: RefusalCode,
    *,
    detail: str | None = None,
    attempts_left: int | None = None,
    retry_after_seconds: int | None = None,
) -> Refused:
    """A `Refused` in one line."""
    return Refused(
        Refusal(code=code, detail=detail, attempts_left=attempts_left, retry_after_seconds=retry_after_seconds)
    )
