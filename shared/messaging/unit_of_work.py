"""One transaction of a handler: its connection, and the messages that leave with the commit."""

from collections.abc import Callable

from shared.contracts.codec import encode
from shared.contracts.envelope import Command, Envelope, Message
from shared.db.connection import Connection
from shared.messaging.bus import Exchange
from shared.messaging.outbox import OutboxRow


class UnitOfWork:
    """Handlers read and write through `conn` and announce through `publish`. They never commit."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.published: list[Envelope[Message]] = []
        self.on_commit: list[Callable[[], None]] = []

    def publish(self, *envelopes: Envelope[Message]) -> None:
        """Say these when the transaction commits, and only then."""
        self.published.extend(envelopes)

    def after_commit(self, wake: Callable[[], None]) -> None:
        """Call this once the rows can be seen by others: to wake who would else find them by polling."""
        self.on_commit.append(wake)


def outbox_row(envelope: Envelope[Message]) -> OutboxRow:
    """An envelope as the outbox keeps it: commands go to their lane, events to whoever listens."""
    is_command = isinstance(envelope.data, Command)
    return OutboxRow(
        message_id=envelope.id,
        tenant_id=envelope.tenant_id,
        exchange=Exchange.COMMANDS if is_command else Exchange.EVENTS,
        routing_key=envelope.data.lane if isinstance(envelope.data, Command) else envelope.data.type,
        body=encode(envelope),
    )
