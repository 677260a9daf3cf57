"""The consumer on a real database: a request is decided once, and its answer is kept."""

import asyncio

import pytest

from shared.clock import host_now
from shared.contracts.commands import ReadAccount
from shared.contracts.replies import RefusalCode
from shared.crypto.keyring import UnknownKey
from shared.messaging import consumer
from shared.messaging.bus import Ack
from shared.messaging.outcome import Discard, Done, ListOutcome, Ok
from shared.messaging.topology import POLICY_REQUESTS
from shared.messaging.unit_of_work import UnitOfWork
from tests.conftest import DatabaseFor
from tests.support.scripted import (
    Behave,
    Told,
    consumer_on,
    incoming,
    says,
)
from tests.support.scripted_service import Service, raises, request


async def test_a_request_is_decided_once_however_often_it_is_sent(service: Service) -> None:
    """A client that got no answer sends the same key again, and must hear what was decided, not a second decision."""
    assert await service.ask(service.envelope(request("k"))) == [1]
    assert await service.ask(service.envelope(request("k"))) == [1]
    assert await service.ask(service.envelope(request("k", "other"))) == [RefusalCode.IDEMPOTENCY_KEY_REUSED]
    assert await service.effects() == 1


async def test_a_double_click_within_one_frame_is_decided_once(service: Service) -> None:
    """Requests that arrive together travel together: the same one twice, too."""
    pair = [service.envelope(request("twice")), service.envelope(request("twice"))]
    assert await service.ask(pair[0], service.envelope(request("other"), "bob"), pair[1]) == [1, 1, 1]
    assert service.script.calls == [("ann", "bob")]


async def test_a_request_that_comes_again_beside_others_hurts_none_of_them(service: Service) -> None:
    """Its key is found taken when all have been decided: the others must not be decided twice, nor hear its answer."""
    assert await service.ask(service.envelope(request("k"))) == [1]
    again, reused = service.envelope(request("k")), service.envelope(request("k", "other"), "carol")
    assert await service.ask(service.envelope(request("new"), "bob"), again) == [1, 1]
    assert await service.ask(reused, service.envelope(request("newer"), "bob")) == [
        RefusalCode.IDEMPOTENCY_KEY_REUSED,
        2,
    ]
    assert [await service.effects(account) for account in ("ann", "bob", "carol")] == [1, 2, 0]


async def test_where_one_came_again_others_are_looked_up_first(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sends answered requests without end would have everybody's decided twice."""
    monkeypatch.setattr(consumer, "REPEATS", 3600.0)
    again = service.envelope(request("k"))
    assert await service.ask(again) == [1]
    assert await service.ask(service.envelope(request("new"), "bob"), again) == [1, 1]
    assert await service.ask(service.envelope(request("newer"), "bob"), again) == [2, 1]
    assert await service.ask(again) == [1]
    assert service.script.calls == [("ann",), ("bob", "ann"), ("bob",), ("bob",)]


@pytest.mark.parametrize(
    "behave",
    [raises(ValueError()), raises(UnknownKey()), says(Discard("not_ours")), says(Done())],
    ids=["fails", "key", "discards", "says nothing"],
)
async def test_an_answer_is_heard_again_whatever_would_be_decided_now(service: Service, behave: Behave) -> None:
    """A login that was let in must not hear at its second try that something is broken, nor be decided once more."""
    again = service.envelope(request("k"))
    assert await service.ask(again) == [1]
    service.script.of["ann"] = behave
    assert await service.ask(again) == [1]
    assert await service.effects() == 1


async def test_the_same_request_at_two_processes_is_decided_once(service: Service, database_for: DatabaseFor) -> None:
    """Both may find no answer before either has one; the key's uniqueness decides."""
    both = asyncio.Barrier(2)

    async def meet(uow: UnitOfWork) -> ListOutcome:
        if not both.broken and len(service.script.calls) <= 2:
            await both.wait()
        return Ok(Told(times=len(service.script.calls)))

    service.script.of["ann"] = meet
    twin = consumer_on(await database_for("policy"), service.script, service.answers)
    first, second = service.envelope(request("raced")), service.envelope(request("raced"))
    answers = await asyncio.gather(
        service.hand(first, lane=POLICY_REQUESTS), twin.receive([incoming(second, POLICY_REQUESTS)])
    )
    assert service.read(first, answers[0][0]) == service.read(second, answers[1][0])
    assert await service.effects() == 1


async def test_an_answer_whose_time_is_over_gives_way(service: Service) -> None:
    """After a day a key may be used anew; a row that the purge has not met yet must not fail it for good."""
    envelope = service.envelope(request("yesterday"))
    assert await service.ask(envelope) == [1]
    await service.sql.execute(
        "UPDATE bus.answers SET answered_at = now() - interval '24 hours 1 second' WHERE tenant_id = $1",
        service.tenant_id,
    )
    assert await service.ask(service.envelope(request("yesterday", "other"))) == [2]
    assert await service.ask(service.envelope(request("yesterday", "other"))) == [2]


async def test_a_request_past_its_deadline_is_not_carried_out(service: Service) -> None:
    """The person was told "try again": behind their back nothing may happen."""
    late = service.envelope(ReadAccount())
    assert await service.hand(late, lane=POLICY_REQUESTS, expires_at=host_now()) == [Ack()]
    assert await service.effects() == 0
