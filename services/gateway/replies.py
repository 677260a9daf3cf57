"""Asks a service by its request lane and waits for the sealed answer: yes, no, or an outage; never for longer than
the request has left.
"""

import datetime as dt
from typing import Protocol

from shared.clock import host_now
from shared.contracts.codec import encode
from shared.contracts.commands import Request
from shared.contracts.envelope import Envelope
from shared.crypto.keyring import KeyRing
from shared.messaging.answering import OpenedAnswer, open_answer
from shared.messaging.bus import Bus, Exchange, Outgoing, Unavailable
from shared.messaging.topology import REQUEST_BUDGET


class Dependencies(Protocol):
    """What is known of the database and the bus, without asking them anew."""

    @property
    def is_database_up(self) -> bool:
        """Whether the last probe was answered."""
        ...

    @property
    def is_bus_up(self) -> bool:
        """Whether a message can be handed over."""
        ...


class Asker:
    """The request side of the bus. Raises `Unavailable` at once when a dependency is known to be down."""

    def __init__(self, bus: Bus, health: Dependencies, answers: KeyRing) -> None:
        """``answers``: the ring ``seal.gateway``."""
        self._bus = bus
        self._health = health
        self._answers = answers

    async def ask(self, envelope: Envelope[Request], *, until: dt.datetime | None = None) -> OpenedAnswer:
        """Data or a refusal, until ``until`` (host time; the whole budget from now by default).

        Raises `NoReply` at that instant: whether the command was carried out is not known, and the same
        Idempotency-Key finds out. Raises `Unavailable` when nothing was handed over.
        """
        if not self._health.is_database_up or not self._health.is_bus_up:
            raise Unavailable("a dependency is known to be down")
        deadline = until or host_now() + REQUEST_BUDGET
        body = await self._bus.request(envelope.data.lane, self._outgoing(envelope, deadline))
        return open_answer(self._answers, envelope, body)

    def _outgoing(self, envelope: Envelope[Request], deadline: dt.datetime) -> Outgoing:
        return Outgoing(
            message_id=envelope.id,
            exchange=Exchange.COMMANDS,
            routing_key=envelope.data.lane,
            body=encode(envelope),
            expires_at=deadline,
            tenant_id=envelope.tenant_id,
            subject=envelope.account_id or envelope.data.about,  # as far as the request says
            goes_alone=envelope.data.goes_alone,
        )
