"""What is asked at every login, message and poll, of tables of a million rows: the fault is that there are so many."""

from collections.abc import Callable

import asyncpg
import pytest

from shared.db.pool import Database
from tests.support.crowded import fill
from tests.support.hot_path import hot_path, some_rows, too_much

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]

ROWS = 1_000_000
NOT_HOT = (
    "policy.erasures",
    "policy.recovery_requests",
    "otp.backup_codes",
    "notifier.webhook_deliveries",
    "notifier.sandbox_messages",
    "bus.dead_letters",
    "gateway.accepted_events",
    "gateway.prompt_sessions",
    "gateway.api_keys",
)


async def test_what_is_asked_often_reads_as_little_as_among_few(new_dsn: Callable[[], str]) -> None:
    """By plans for one argument and for all, before anybody has counted the tables and after."""
    dsn = new_dsn()
    filling, asking = await asyncpg.connect(dsn), await Database(dsn, role=None, name="test").dedicated()
    try:
        tenant_id = await fill(filling, ROWS, but=NOT_HOT)
        hot = hot_path(await some_rows(filling, tenant_id))
        found = {}
        for state, statement in (("not counted", "SELECT"), ("counted", "ANALYZE")):
            await filling.execute(statement, timeout=300)
            for is_generic in (False, True):
                found[state, is_generic] = await too_much(asking, hot, tenant_id, is_generic=is_generic)
        assert {how: said for how, said in found.items() if said} == {}
    finally:
        await asking.close()
        await filling.close()
