"""How one attempt to send ended. Every provider's adapter answers with one of these four and nothing else.

No reason and no code ever holds an address, a number or a word of the message: servers like to repeat them.
"""

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The provider took the message over; `provider_id` is its name for it, when it gave one."""

    provider_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Certainly not sent. `code` is the provider's: ``550 5.1.1``, ``21211``, or a word of ours such as ``connect``.

    Permanent: this message to this destination will never be taken. Otherwise come again, not before `retry_after`.
    """

    code: str
    is_permanent: bool
    retry_after: dt.timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Handed over, but the answer never came: it may have been sent. At most one more try, with the same content."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Misconfigured:
    """Certainly not sent, and nothing will be until an operator acts: pause the channel, count no attempt."""

    reason: str


SendOutcome = Accepted | Refused | Unknown | Misconfigured
