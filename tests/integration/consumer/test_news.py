"""The consumer on a real database: news that change nothing cost as little as can be."""

from collections.abc import Sequence

from shared.contracts.envelope import Envelope
from shared.contracts.events import NotificationSent
from shared.db.connection import Connection
from shared.messaging.bus import Ack
from shared.messaging.handler_table import HandlerTable, Sift, heeded_if, on, sifted
from shared.messaging.topology import POLICY_COMMANDS
from tests.conftest import DatabaseFor
from tests.contracts.examples import example
from tests.support.scripted import Script, consumer_on, incoming, tell
from tests.support.scripted_service import MANY, Service


def sieve(*accounts: str) -> Sift[NotificationSent]:
    """Lets the news of these through."""

    async def sift(news: Sequence[Envelope[NotificationSent]], _conn: Connection) -> list[bool]:
        return [each.account_id in accounts for each in news]

    return sift


async def broken_sieve(_news: Sequence[Envelope[NotificationSent]], conn: Connection) -> list[bool]:
    """Says nothing."""
    await conn.execute("SELECT 1 / 0")
    return []


async def test_news_without_an_effect_leave_nothing_behind(service: Service, database_for: DatabaseFor) -> None:
    """Of the events that a service listens to most do not concern it; each would cost a row and a part of a commit."""
    listening = HandlerTable[Script](sifted(sieve("bob"), on(POLICY_COMMANDS, NotificationSent, tell)))
    consumer = consumer_on(await database_for("policy"), service.script, service.answers, handlers=listening)
    news = [service.envelope(example(NotificationSent.type).data, each) for each in MANY]
    for _ in range(2):
        batch = [incoming(each, POLICY_COMMANDS) for each in news]
        assert await consumer.receive(batch) == [Ack()] * len(MANY)
    handled = "SELECT message_id FROM bus.inbox WHERE message_id = ANY ($1)"
    rows = await service.sql.fetch(handled, [each.id for each in news])
    assert [row["message_id"] for row in rows] == [news[MANY.index("bob")].id]
    assert service.script.calls == [("bob",)]


async def test_what_an_event_says_itself_is_heeded_before_anything_is_opened(
    service: Service, database_for: DatabaseFor
) -> None:
    """A service hears what it said itself, at a deadline ten thousand times: for transactions that do nothing."""

    def is_of_bob(news: Envelope[NotificationSent]) -> bool:
        return news.account_id == "bob"

    listening = HandlerTable[Script](heeded_if(is_of_bob, on(POLICY_COMMANDS, NotificationSent, tell)))
    consumer = consumer_on(await database_for("policy"), service.script, service.answers, handlers=listening)
    news = [service.envelope(example(NotificationSent.type).data, each) for each in MANY]
    assert await consumer.receive([incoming(each, POLICY_COMMANDS) for each in news]) == [Ack()] * len(MANY)
    handled = "SELECT message_id FROM bus.inbox WHERE message_id = ANY ($1)"
    rows = await service.sql.fetch(handled, [each.id for each in news])
    assert [row["message_id"] for row in rows] == [news[MANY.index("bob")].id]
    assert service.script.calls == [("bob",)]


async def test_news_of_which_nothing_can_be_said_are_handled(service: Service, database_for: DatabaseFor) -> None:
    """To sift is to save work. Where it fails, work is not saved, and nothing is lost."""
    listening = HandlerTable[Script](sifted(broken_sieve, on(POLICY_COMMANDS, NotificationSent, tell)))
    consumer = consumer_on(await database_for("policy"), service.script, service.answers, handlers=listening)
    news = [service.envelope(example(NotificationSent.type).data, each) for each in MANY]
    assert await consumer.receive([incoming(each, POLICY_COMMANDS) for each in news]) == [Ack()] * len(MANY)
    assert [await service.effects(each) for each in MANY] == [1] * len(MANY)
