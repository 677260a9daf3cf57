"""Two at once: the end of a requirement and the lock, the lock and an enrolment. One outcome each, never both."""

import asyncio
import datetime as dt
import json

from services.policy.queries.policies import hold_policy
from shared.contracts import events
from shared.contracts.commands import AnnounceRequirement, ChangeEnforcement, LockOutAccount, PutPolicy
from shared.contracts.policy import Policy
from shared.contracts.types import FactorId
from shared.db.account_lock import lock_account
from shared.ids import new_id
from tests.handlers.policy.conftest import ANN, DAY, EVERYBODY, Service
from tests.support.eventually import eventually

NOBODY = Policy()
ROUNDS = 5


async def overdue(service: Service) -> LockOutAccount:
    """Ann's deadline has passed, and the timer that would say so fires now."""
    await service.put()
    await service.require(EVERYBODY)
    await service.admin.execute("UPDATE policy.timers SET due_at = due_at + interval '1 year'")
    await service.move(8 * DAY)
    return LockOutAccount(deadline=await service.now())


async def test_a_lock_waits_for_the_policy_that_is_being_saved_and_goes_by_it(service: Service) -> None:
    """The requirement ends first: nobody is locked out by it any more."""
    lock, now = await overdue(service), await service.now()
    saving = service.admin.transaction()
    await saving.start()
    await service.admin.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid || ':policy', 0))", service.tenant_id
    )
    off = json.dumps(NOBODY.model_dump(mode="json"))
    await service.admin.execute("UPDATE policy.policies SET policy = $2 WHERE tenant_id = $1", service.tenant_id, off)
    locking = asyncio.create_task(service.hear(lock, at=now))
    await eventually(service.count_waiting, bool)
    await saving.commit()
    await locking
    assert await service.said(events.EnforcementLockedOut) == []


async def test_a_policy_waits_for_the_lock_that_is_being_announced_and_ends_it(service: Service) -> None:
    """The lock comes first: its end is said too, so that the log does not stop at a lock that is none."""
    lock, now = await overdue(service), await service.now()
    locking = service.admin.transaction()
    await locking.start()
    await hold_policy(service.admin, service.tenant_id)
    saving = asyncio.create_task(service.ask(PutPolicy(policy=NOBODY), None))
    await eventually(service.count_waiting, bool)
    await service.admin.execute(
        "UPDATE policy.enforcements SET locked_out_at = $2 WHERE tenant_id = $1", service.tenant_id, now
    )
    await locking.commit()
    await saving
    await service.run()
    assert len(await service.said(events.EnforcementUnlocked)) == 1
    await service.hear(lock, at=now)
    assert await service.said(events.EnforcementLockedOut) == []


async def test_policy_off_and_lock_at_once_leave_no_lock_behind(service: Service) -> None:
    """Whichever wins: as many locks as ends of locks are on the record, and the account is open."""
    for _ in range(ROUNDS):
        lock = await overdue(service)
        await asyncio.gather(service.hear(lock), service.ask(PutPolicy(policy=NOBODY), None))
        await service.run()
        locks = await service.said(events.EnforcementLockedOut)
        assert len(locks) == len(await service.said(events.EnforcementUnlocked))
        assert (await service.change(locale="fr")).enforcement.state == "not_required"


async def test_an_exemption_and_a_lock_at_once_have_one_order(service: Service) -> None:
    """The account's lock decides: whoever is exempted in the moment of the deadline hears of no lock after it."""
    lock, now = await overdue(service), await service.now()
    until = now + dt.timedelta(days=1)
    exempt = ChangeEnforcement(given=("exempt_until",), exempt_until=until, reason="on leave")
    exempting = service.admin.transaction()
    await exempting.start()
    await lock_account(service.admin, service.tenant_id, ANN)
    both = [asyncio.create_task(service.ask(exempt)), asyncio.create_task(service.hear(lock, at=now))]
    await eventually(service.count_waiting, lambda waiting: waiting == len(both))
    await exempting.commit()
    await asyncio.gather(*both)
    locks = await service.said(events.EnforcementLockedOut)
    assert len(locks) == len(await service.said(events.EnforcementUnlocked))


async def test_an_enrolment_that_commits_before_the_lock_wins(service: Service) -> None:
    """Who confirms a factor in the moment of the deadline is in; and no exemption of a day is needed for it."""
    lock, now = await overdue(service), await service.now()
    enrolling = service.admin.transaction()
    await enrolling.start()
    await lock_account(service.admin, service.tenant_id, ANN)
    await service.give_factor(FactorId(new_id()))
    locking = asyncio.create_task(service.hear(lock, at=now))
    await eventually(service.count_waiting, bool)
    await enrolling.commit()
    await locking
    assert await service.said(events.EnforcementLockedOut) == []


async def test_a_page_of_notices_does_not_undo_an_admins_word(service: Service) -> None:
    """A policy is announced while an admin requires one account: the account keeps the timers that this arms."""
    await service.put()
    await service.ask(PutPolicy(policy=EVERYBODY), None)
    await service.ask(PutPolicy(policy=NOBODY), None)
    now = await service.now()
    requiring = service.admin.transaction()
    await requiring.start()
    await lock_account(service.admin, service.tenant_id, ANN)
    announcing = asyncio.create_task(service.hear(AnnounceRequirement(policy_version=2), None, at=now))
    await eventually(service.count_waiting, bool)
    await service.admin.execute(
        """
        INSERT INTO policy.enforcements (tenant_id, account_id, is_required, required_since)
        VALUES ($1, $2, true, $3)
        """,
        service.tenant_id,
        ANN,
        now,
    )
    await requiring.commit()
    await announcing
    assert ("lock_out_account", ANN) in await service.pending()
