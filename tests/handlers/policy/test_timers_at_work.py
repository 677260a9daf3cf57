"""Timers as processes run them: several at once, for tenants that are suspended or gone."""

import datetime as dt
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import pytest

from services.policy.app import serve_timers
from services.policy.domain.timer import Timer
from services.policy.queries.timers import arm_timers
from services.policy.settings import PolicySettings
from shared.contracts import commands, events
from shared.contracts.commands import FinishRecovery, MoveClock, PutPolicy
from shared.contracts.types import RecoveryId
from shared.ids import new_id
from shared.settings import load_settings
from tests.handlers.policy.conftest import ANN, DAY, EVERYBODY, Service
from tests.support.eventually import eventually

MILLISECOND = dt.timedelta(milliseconds=1)


@pytest.fixture(autouse=True)
async def nothing_is_pending(service: Service) -> None:
    """Engines work for every tenant: what another test left would be fired here."""
    await service.admin.execute("DELETE FROM policy.timers")


async def test_two_processes_share_the_timers_and_fire_each_once(service: Service, dsn: str, key_dir: Path) -> None:
    """A second one stands in for the first; nothing is said twice by it, nothing early."""
    now = await service.now()
    ids = [RecoveryId(new_id()) for _ in range(300)]
    timers = [
        Timer(command=FinishRecovery(recovery_id=each), account_id=ANN, subject=str(each), at=now + n * MILLISECOND)
        for n, each in enumerate(ids, start=300)
    ]
    async with service.database.transaction([service.tenant_id]) as conn:
        await arm_timers(conn, service.envelope(MoveClock(advance_seconds=1)), timers)
    settings = load_settings(PolicySettings, database_url=dsn, key_dir=key_dir)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(serve_timers(settings))
        await eventually(service.pending, lambda left: not left)
    said = await service.said(FinishRecovery)
    assert Counter(UUID(str(each.data.recovery_id)) for each in said) == Counter(ids)
    early = "SELECT count(*) FROM policy.timers WHERE tenant_id = $1 AND ended_at < due_at"
    assert await service.admin.fetchval(early, service.tenant_id) == 0


async def test_a_suspended_tenants_people_are_still_told(service: Service) -> None:
    """Its keys are refused, its rules go on: a lock or a recovery that came without a word would be worse."""
    await service.put()
    await service.require(EVERYBODY)
    await service.admin.execute(
        "UPDATE gateway.tenants SET suspended_at = now() WHERE tenant_id = $1", service.tenant_id
    )
    for _ in range(8):
        await service.move(DAY)
    assert len(await service.said(events.EnforcementLockedOut)) == 1
    assert [name for name, _ in await service.notices()][-1] == "locked_out"


async def test_timers_of_a_tenant_that_is_gone_say_their_commands_and_change_nothing(service: Service) -> None:
    """What was deleted by hand must neither stop the engine nor be written to again."""
    await service.put()
    await service.ask(PutPolicy(policy=EVERYBODY), None)
    await service.run()
    assert await service.pending()
    await service.admin.execute("UPDATE policy.timers SET due_at = now() - interval '1 s'")
    for table in ("policy.accounts", "policy.policies", "policy.enforcements", "policy.clocks", "gateway.tenants"):
        await service.admin.execute(f"DELETE FROM {table} WHERE tenant_id = $1", service.tenant_id)  # noqa: S608
    told = len(await service.notices())
    await service.run()
    assert await service.pending() == []
    assert await service.said(commands.LockOutAccount)
    assert len(await service.notices()) == told
    assert await service.said(events.EnforcementLockedOut) == []
