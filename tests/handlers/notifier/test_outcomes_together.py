"""Outcomes that come at once are written in one transaction; what is wrong with one hurts no other."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import asyncpg

from services.notifier.domain.attempt import Again, Expired, Failed, Sent
from services.notifier.handlers.dispatch import AT_ONCE, dispatching
from services.notifier.handlers.outcome_book import OutcomeBook
from services.notifier.handlers.outcomes import Judged, write_down
from services.notifier.queries.deliveries import Claimed, claim_deliveries
from shared.contracts.types import Channel
from shared.db.connection import StoreUnavailable
from shared.db.pool import Database
from tests.handlers.notifier.conftest import Desk, OpenDesk
from tests.handlers.notifier.test_deliveries import SECOND
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant


async def claim(desk: Desk, count: int) -> list[Claimed]:
    """So many mails, queued and taken."""
    await desk.handle(*(desk.mail() for _ in range(count)))
    async with desk.deps.database.transaction(work_queues=True) as conn:
        claimed = await claim_deliveries(conn, Channel.EMAIL, limit=count)
    assert len(claimed) == count
    return claimed


async def row(desk: Desk, claimed: Claimed) -> asyncpg.Record:
    """The delivery as it is, with the transaction that wrote it last."""
    [found] = await desk.rows(
        "SELECT state, xmin::text AS written_by FROM notifier.deliveries WHERE delivery_id = $1",
        claimed.delivery.delivery_id,
    )
    return found


async def rows(desk: Desk, claimed: Sequence[Claimed]) -> list[asyncpg.Record]:
    """Those of all."""
    return [await row(desk, each) for each in claimed]


async def test_attempts_of_every_kind_are_written_together(desk: Desk, open_desk: OpenDesk) -> None:
    """Each row gets its own outcome and says its own event, whatever happened beside it and whosever it was."""
    other = open_desk(await new_tenant(desk.dsn))
    sent, expired, again, failed = await claim(desk, 4)
    [elsewhere] = await claim(other, 1)
    judged = [
        Judged(sent, Sent(provider_id="m1"), {"to": "ann@acme.example", "text": "hello"}),
        Judged(expired, Expired()),
        Judged(again, Again(delay=SECOND, reason="451")),
        Judged(failed, Failed(reason="550")),
        Judged(elsewhere, Sent(provider_id="m2")),
    ]
    await write_down(judged, desk.deps)

    written = await rows(desk, [each.claimed for each in judged])
    assert [each["state"] for each in written] == ["accepted", "expired", "queued", "refused", "accepted"]
    assert len({each["written_by"] for each in written}) == 1
    said = [await desk.events(each.delivery.delivery_id) for each in judged]
    assert said == [["code.sent"], ["code.expired"], [], ["code.undeliverable"], ["code.sent"]]
    ids = await desk.rows("SELECT delivery_id, provider_id FROM notifier.deliveries WHERE provider_id IS NOT NULL")
    assert dict(map(tuple, ids)) == {sent.delivery.delivery_id: "m1", elsewhere.delivery.delivery_id: "m2"}
    shown = await desk.rows("SELECT delivery_id FROM notifier.sandbox_messages")
    assert sent.delivery.delivery_id in {each["delivery_id"] for each in shown}


async def test_what_comes_while_one_is_written_goes_together(desk: Desk) -> None:
    """The first waits for nobody; the others share a commit, which is most of what an outcome costs."""
    claimed = await claim(desk, 6)
    book = OutcomeBook(desk.deps)
    await asyncio.gather(*(book.write(Judged(each, Sent(provider_id=None))) for each in claimed))

    written = await rows(desk, claimed)
    assert {each["state"] for each in written} == {"accepted"}
    assert len({each["written_by"] for each in written}) <= 2


async def test_an_outcome_that_cannot_be_written_hurts_no_other(desk: Desk) -> None:
    """Unwritten, a mail that was sent is sent once more: not to be had for a fault beside it."""
    claimed = await claim(desk, 4)
    odd = {"to": object()}  # cannot be kept for a sandbox's developers
    book = OutcomeBook(desk.deps)
    tasks = [
        book.write(Judged(each, Sent(provider_id=None), odd if number == 2 else None))  # type: ignore[arg-type]
        for number, each in enumerate(claimed)
    ]
    failed = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(each) for each in failed] == [type(None), type(None), TypeError, type(None)]
    assert [each["state"] for each in await rows(desk, claimed)] == ["accepted", "accepted", "sending", "accepted"]


async def test_with_the_database_away_everybody_hears_of_it(desk: Desk) -> None:
    """Each then waits until it is back and writes again."""
    claimed = await claim(desk, 3)
    async with Database("postgresql://127.0.0.1:9/nowhere", role=None, name="away") as away:
        book = OutcomeBook(replace(desk.deps, database=away))
        tried = await asyncio.gather(
            *(book.write(Judged(each, Sent(provider_id=None))) for each in claimed), return_exceptions=True
        )
    assert [type(each) for each in tried] == [StoreUnavailable] * 3
    assert {each["state"] for each in await rows(desk, claimed)} == {"sending"}


async def test_more_mails_than_are_sent_at_once_all_go_out_once(desk: Desk) -> None:
    """A full hand is filled up again as it empties."""
    count = AT_ONCE[Channel.EMAIL] * 2 + 5
    await desk.handle(*(desk.mail() for _ in range(count)))
    waiting = "SELECT count(*) FROM notifier.deliveries WHERE state <> 'accepted'"

    async def left() -> int:
        [found] = await desk.rows(waiting)
        return int(found["count"])

    async with dispatching(desk.deps):
        await eventually(left, lambda number: number == 0)
    assert len(desk.mailbox.messages) == count
    assert desk.mailbox.connections <= 8
