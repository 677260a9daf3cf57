"""Everything that a running stack writes while a block runs: rows, messages, lines of logs. For looking for secrets."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import asyncpg
from aio_pika.abc import AbstractIncomingMessage

from tests.support.broker_link import connected
from tests.support.eventually import eventually
from tests.support.rabbitmq import Rabbit
from tests.support.stack import Stack

_TABLES = """
    SELECT format('%I.%I', n.nspname, c.relname) AS name
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('bus', 'gateway', 'otp', 'policy', 'notifier', 'audit')
       AND c.relkind IN ('r', 'p') AND NOT c.relispartition
     ORDER BY 1
"""
_LISTEN = """
    CREATE SCHEMA overheard;
    CREATE UNLOGGED TABLE overheard.rows (place text NOT NULL, content text NOT NULL);
    CREATE FUNCTION overheard.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      INSERT INTO overheard.rows  -- a partition is its table
      VALUES (TG_TABLE_SCHEMA || '.' || regexp_replace(TG_TABLE_NAME, '_([0-9]{8}|default)$', ''), to_jsonb(NEW)::text);
      RETURN NULL;
    END $$;
"""
_BYTES = re.compile(r'"\\\\x((?:[0-9a-f]{2})*)"')  # a bytea within JSON
_AT_REST = "SELECT count(*) FROM bus.outbox WHERE published_at IS NULL"


@dataclass(slots=True)
class Overhearing:
    """Entered before, left after what is to be overheard; `rabbit` where the stack's bus is one."""

    stack: Stack
    rabbit: Rabbit | None = None
    written: list[tuple[str, str]] = field(default_factory=list)
    _offsets: dict[str, int] = field(default_factory=dict)
    _exits: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        self._offsets = {name: len(self.stack.log(name)) for name in self.stack.ports}
        conn = await asyncpg.connect(self.stack.dsn)
        try:
            await conn.execute(_LISTEN)
            for row in await conn.fetch(_TABLES):
                await conn.execute(
                    f"CREATE TRIGGER overheard AFTER INSERT OR UPDATE ON {row['name']} "
                    "FOR EACH ROW EXECUTE FUNCTION overheard.note()"
                )
        finally:
            await conn.close()
        if self.rabbit is not None:
            async with AsyncExitStack() as exits:
                await self._trace(self.rabbit, exits)
                self._exits = exits.pop_all()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        async with self._exits:
            await self._read_rows()
        self.written += [(f"log of {name}", self.stack.log(name)[length:]) for name, length in self._offsets.items()]

    async def _read_rows(self) -> None:
        conn = await asyncpg.connect(self.stack.dsn)
        try:
            await eventually(lambda: conn.fetchval(_AT_REST), lambda waiting: waiting == 0)
            self.written += [
                (row["place"], _readable(row["content"])) for row in await conn.fetch("SELECT * FROM overheard.rows")
            ]
        finally:
            for row in await conn.fetch(_TABLES):  # one after the other: all locks at once may end in a deadlock
                await conn.execute(f"DROP TRIGGER IF EXISTS overheard ON {row['name']}")
            await conn.execute("DROP SCHEMA overheard CASCADE")
            await conn.close()

    def texts(self) -> Iterator[tuple[str, str]]:
        """A place, and all that was written there."""
        for place in sorted({place for place, _ in self.written}):
            yield place, "\n".join(text for at, text in self.written if at == place)

    async def _trace(self, rabbit: Rabbit, exits: AsyncExitStack) -> None:
        """Every message that is published, whatever the queue, requests and replies too."""
        virtual_host = self.stack.amqp_url.rpartition("/")[2] or "/"
        broker = await exits.enter_async_context(connected(self.stack.amqp_url))
        exits.push_async_callback(asyncio.to_thread, rabbit.ctl, "trace_off", "-p", virtual_host)
        await asyncio.to_thread(rabbit.ctl, "trace_on", "-p", virtual_host)
        channel = await broker.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("amq.rabbitmq.trace", "publish.#")

        async def note(message: AbstractIncomingMessage) -> None:
            self.written.append((f"broker, {message.routing_key}", f"{message.headers}\n{_text(message.body)}"))

        await queue.consume(note, no_ack=True)


def _readable(row: str) -> str:
    """A row with the bytes in it as the text that they hold."""
    return _BYTES.sub(lambda found: _text(bytes.fromhex(found[1])), row)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")
