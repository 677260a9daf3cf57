"""A message in a consumer's hands: what came, and what it says."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from shared.contracts.commands import Request
from shared.contracts.envelope import Envelope, Message
from shared.messaging.bus import Incoming

RequestId = tuple[UUID, str, str]
"""Tenant, scope and Idempotency-Key of a request."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A delivery and its envelope; equal to itself only, for the same message may come twice in one batch."""

    incoming: Incoming
    envelope: Envelope[Message]

    @property
    def request(self) -> Envelope[Request] | None:
        """The envelope, if somebody waits for an answer."""
        if self.incoming.wants_reply and isinstance(self.envelope.data, Request):
            return cast("Envelope[Request]", self.envelope)
        return None

    @property
    def request_id(self) -> RequestId | None:
        """What its answer is stored under; None for what has no Idempotency-Key."""
        data = self.envelope.data
        if isinstance(data, Request) and data.request is not None:
            return self.envelope.tenant_id, data.request.scope, data.request.key
        return None

    def is_late(self, now: dt.datetime) -> bool:
        """Whether it is a request whose asker has given up (host time). It is dropped, not carried out behind him."""
        expires_at = self.incoming.expires_at
        return self.request is not None and expires_at is not None and expires_at <= now


def one_of_each_request(items: Iterable[Item]) -> list[Item]:
    """All but repetitions of a request within the batch: the second of a double click reads what the first was told."""
    seen: set[RequestId] = set()
    first: list[Item] = []
    for item in items:
        request_id = item.request_id
        if request_id is None or request_id not in seen:
            first.append(item)
        if request_id is not None:
            seen.add(request_id)
    return first
