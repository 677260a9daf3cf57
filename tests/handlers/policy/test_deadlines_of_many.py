"""A deadline is the same for a whole helpdesk: what its timers set off is judged in lists, with nobody left out."""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Sequence

from services.policy.queries.standings import read_contacts_of
from shared.clock import host_now
from shared.contracts import events
from shared.contracts.codec import encode
from shared.contracts.commands import LockOutAccount, RemindOfEnforcement
from shared.contracts.envelope import Envelope, Message
from shared.contracts.types import Channel, FactorId, FactorType
from shared.db.account_lock import lock_account
from shared.ids import new_id
from shared.messaging.bus import Ack, Incoming
from shared.messaging.topology import POLICY_COMMANDS, POLICY_DEADLINES, Lane
from tests.handlers.policy.conftest import DAY, EVERYBODY, OpenService, Service, contact
from tests.support.eventually import eventually
from tests.support.tenants import new_tenant

PEOPLE = tuple(f"agent-{number}" for number in range(12))
HOUR = dt.timedelta(hours=1)


async def hand_all(service: Service, envelopes: Sequence[Envelope[Message]], lane: Lane = POLICY_DEADLINES) -> None:
    """All of them at once, as a lane brings them; each is done with."""
    batch = [
        Incoming(lane=lane.name, message_id=each.id, body=encode(each), first_seen_at=host_now()) for each in envelopes
    ]
    assert await service.consumer.receive(batch) == [Ack()] * len(batch)


async def staffed(service: Service, *, after: int) -> dt.datetime:
    """A helpdesk in which everybody has had to enrol for ``after`` seconds, its timers put aside; the deadline."""
    for account_id in PEOPLE:
        await service.put(account_id, email=contact(f"{account_id}-mail"))
    await service.require(EVERYBODY)
    await service.admin.execute("DELETE FROM policy.timers WHERE tenant_id = $1", service.tenant_id)
    await service.move(after)
    deadline = (await service.said(events.EnforcementStarted))[0].data.deadline
    assert deadline is not None
    return deadline


def locks(service: Service, deadline: dt.datetime) -> list[Envelope[LockOutAccount]]:
    """A command for everybody."""
    return [service.envelope(LockOutAccount(deadline=deadline), each) for each in PEOPLE]


async def locked_out(service: Service) -> Counter[str | None]:
    """Whose lock was said, how often."""
    return Counter(each.account_id for each in await service.said(events.EnforcementLockedOut))


async def test_a_list_of_locks_is_announced_to_everybody_once(service: Service) -> None:
    """Each with its own events, caused by its own timer, and its own mail; a list that comes again says nothing."""
    deadline = await staffed(service, after=8 * DAY)
    told = locks(service, deadline)
    await hand_all(service, told)
    await hand_all(service, told)
    await hand_all(service, locks(service, deadline))
    assert await locked_out(service) == Counter(PEOPLE)
    assert {each.causation_id for each in await service.said(events.EnforcementLockedOut)} == {each.id for each in told}
    ended = await service.said(events.SessionsShouldEnd)
    assert Counter(each.account_id for each in ended) == Counter(PEOPLE)
    assert Counter(name for name, _ in await service.notices())["locked_out"] == len(PEOPLE)


async def test_sessions_end_with_the_lock_and_not_when_its_news_come_round(service: Service) -> None:
    """Between the two somebody who is locked out would still be let go on."""
    deadline = await staffed(service, after=8 * DAY)
    await service.give_factor(FactorId(new_id()), PEOPLE[0])
    await hand_all(service, locks(service, deadline))
    at = {each.account_id: each.time for each in await service.said(events.EnforcementLockedOut)}
    good = "SELECT account_id, sessions_valid_from FROM policy.accounts WHERE tenant_id = $1"
    assert {row[0]: row[1] for row in await service.admin.fetch(good, service.tenant_id) if row[1]} == at
    ended = await service.said(events.SessionsShouldEnd)
    await hand_all(service, ended, POLICY_COMMANDS)
    heard = "SELECT count(*) FROM bus.inbox WHERE message_id = ANY ($1::uuid[])"
    assert await service.admin.fetchval(heard, [each.id for each in ended]) == 0


async def test_in_a_list_of_locks_who_enrolled_and_who_is_nobody_are_left_out(service: Service) -> None:
    """One person's factor keeps nobody else in, and an account that is gone stops no list."""
    deadline = await staffed(service, after=8 * DAY)
    await service.give_factor(FactorId(new_id()), PEOPLE[0])
    nobody = service.envelope(LockOutAccount(deadline=deadline), "nobody")
    nameless = service.envelope(LockOutAccount(deadline=deadline), None)
    await hand_all(service, [nobody, *locks(service, deadline), nameless])
    assert await locked_out(service) == Counter(PEOPLE[1:])


async def test_a_lock_that_was_put_off_is_armed_again_and_the_rest_of_the_list_goes_on(service: Service) -> None:
    """The timer was right when it was armed; the moment decides."""
    deadline = await staffed(service, after=8 * DAY)
    until = await service.now() + HOUR
    await service.admin.execute(
        "UPDATE policy.enforcements SET extended_until = $3 WHERE tenant_id = $1 AND account_id = $2",
        service.tenant_id,
        PEOPLE[0],
        until,
    )
    await hand_all(service, locks(service, deadline))
    assert await locked_out(service) == Counter(PEOPLE[1:])
    assert ("lock_out_account", PEOPLE[0]) in await service.pending()


async def test_an_account_in_other_hands_waits_alone(service: Service) -> None:
    """The list does not stop for one person who signs in: waited for within lists, two could wait for each other."""
    deadline = await staffed(service, after=8 * DAY)
    holding = service.admin.transaction()
    await holding.start()
    await lock_account(service.admin, service.tenant_id, PEOPLE[3])
    judging = asyncio.create_task(hand_all(service, locks(service, deadline)))
    await eventually(lambda: locked_out(service), lambda said: said == Counter(set(PEOPLE) - {PEOPLE[3]}))
    await holding.rollback()
    await judging
    assert await locked_out(service) == Counter(PEOPLE)


async def test_one_account_twice_in_a_list_is_judged_twice(service: Service) -> None:
    """A clock that jumps lets all reminders of an account come at once: those that are still true are sent."""
    deadline = await staffed(service, after=6 * DAY)
    both = [RemindOfEnforcement(stage=stage, deadline=deadline) for stage in ("3d", "1d")]
    await hand_all(service, [service.envelope(each, PEOPLE[0]) for each in both])
    reminded = await service.said(events.EnforcementReminded)
    assert [each.data.stage for each in reminded] == ["3d", "1d"]


async def test_a_list_of_reminders_reaches_every_address_of_those_who_have_still_to_enrol(service: Service) -> None:
    """Also where a factor's codes went; who has done it, or has another deadline now, is left in peace."""
    deadline = await staffed(service, after=6 * DAY)
    await service.give_factor(FactorId(new_id()), PEOPLE[0])
    reminders = [service.envelope(RemindOfEnforcement(stage="1d", deadline=deadline), each) for each in PEOPLE]
    old = [service.envelope(RemindOfEnforcement(stage="1d", deadline=deadline - HOUR), each) for each in PEOPLE]
    await hand_all(service, reminders)
    await hand_all(service, old)
    reminded = await service.said(events.EnforcementReminded)
    assert Counter(each.account_id for each in reminded) == Counter(PEOPLE[1:])
    assert Counter(name for name, _ in await service.notices())["enforcement_reminder"] == len(PEOPLE) - 1


async def test_a_list_of_several_helpdesks_keeps_them_apart(
    service: Service, open_service: OpenService, dsn: str
) -> None:
    """Ids are the helpdesks' own: the same one in two of them is two people."""
    other = open_service(await new_tenant(dsn))
    first, second = await staffed(service, after=8 * DAY), await staffed(other, after=8 * DAY)
    await other.give_factor(FactorId(new_id()), PEOPLE[0])
    await hand_all(service, [*locks(service, first), *locks(other, second)])
    assert await locked_out(service) == Counter(PEOPLE)
    assert await locked_out(other) == Counter(PEOPLE[1:])


async def test_a_notice_of_a_list_goes_to_the_factors_of_its_own_person(service: Service) -> None:
    """Where codes went is read for all at once: nobody's address must get under another name."""
    async with service.database.transaction([service.tenant_id]) as conn:
        assert await read_contacts_of(conn, service.tenant_id, PEOPLE) == {}
    for account_id in PEOPLE[:2]:
        await service.give_factor(FactorId(new_id()), account_id, FactorType.EMAIL, phone=f"mail-of-{account_id}")
    async with service.database.transaction([service.tenant_id]) as conn:
        found = await read_contacts_of(conn, service.tenant_id, PEOPLE[1:])
    assert found == {PEOPLE[1]: [(Channel.EMAIL, contact(f"mail-of-{PEOPLE[1]}"))]}


async def test_what_was_said_before_deadlines_had_a_lane_is_still_heard(service: Service) -> None:
    """Rows of the outbox and messages in the broker outlive an update."""
    deadline = await staffed(service, after=8 * DAY)
    await hand_all(service, locks(service, deadline), POLICY_COMMANDS)
    assert await locked_out(service) == Counter(PEOPLE)


async def test_sessions_of_many_end_together_each_at_its_own_moment(service: Service) -> None:
    """The latest word counts, whatever comes beside it."""
    for account_id in PEOPLE[:3]:
        await service.put(account_id)
    now = await service.now() + HOUR
    told = [
        service.envelope(events.SessionsShouldEnd(reason="reset"), account_id, at)
        for account_id, at in ((PEOPLE[0], now), (PEOPLE[1], now + HOUR), (PEOPLE[0], now - HOUR / 2), ("nobody", now))
    ]
    await hand_all(service, told, POLICY_COMMANDS)
    rows = await service.admin.fetch(
        "SELECT account_id, sessions_valid_from FROM policy.accounts WHERE tenant_id = $1", service.tenant_id
    )
    assert {row["account_id"]: row["sessions_valid_from"] for row in rows} == {
        PEOPLE[0]: now,
        PEOPLE[1]: now + HOUR,
        PEOPLE[2]: None,
    }
