"""Leaving: when a helpdesk's word that an account is gone counts, and when its id may be given again.

News arrive late, twice and in the wrong order. A version says which is newer; where there is none, the instant at which
the helpdesk spoke does.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from services.policy.domain.account import Account, newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """An account that was erased. `told_at` is when the helpdesk said so, `erased_at` tenant time."""

    erasure_id: UUID
    version: int | None
    told_at: dt.datetime
    erased_at: dt.datetime
    is_finished: bool  # every service has destroyed what it had


@dataclass(frozen=True, slots=True)
class Outdated:
    """Something newer is known: the account stays."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """There was never such an account."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """It is gone already."""

    erasure: Erasure


@dataclass(frozen=True, slots=True)
class Erase:
    """It goes now; `version` is the newest that was told of it."""

    version: int | None


Verdict = Outdated | Unknown | Repeated | Erase


def decide_erasure(
    account: Account | None, erasure: Erasure | None, *, version: int | None, told_at: dt.datetime
) -> Verdict:
    """What becomes of the word that an account is gone. The same version again is the account's end."""
    if account is None:
        return Repeated(erasure) if erasure is not None else Unknown()
    if version is not None and account.version is not None and version < account.version:
        return Outdated()
    if erasure is not None and is_older(erasure, version=version, told_at=told_at):
        return Outdated()
    return Erase(version=newest(account.version, version))


def is_older(erasure: Erasure, *, version: int | None, told_at: dt.datetime | None) -> bool:
    """Whether news are of the account that was erased. ``told_at`` None: they are spoken now, by somebody who waits."""
    if version is not None and erasure.version is not None:
        return version <= erasure.version
    return told_at is not None and told_at <= erasure.told_at
