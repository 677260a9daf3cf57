"""An account is erased while something else is decided about it, in both orders, through HTTP: one outcome, and nothing
of the person is left whichever it was.

Both wait for the account's lock. Who waits for longer than a service does asks again and comes second: so the answers
say which outcome it was, and what was said must agree with them.
"""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Coroutine
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from services.cli.demo.helpdesk import Json
from services.cli.demo.world import World
from tests.support.eventually import eventually
from tests.support.leaving import DOCUMENTED, places_of
from tests.support.owner import SETTLED, STEP, Owner, instant
from tests.support.people import open_world
from tests.support.stack import Stack
from tests.support.turns import in_turn

pytestmark = pytest.mark.acceptance

in_both_orders = pytest.mark.parametrize("order", [1, -1], ids=["erased_first", "erased_second"])

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

Answer = tuple[int, str | None]  # status, and the code of the problem


@pytest.fixture
async def conn(stack: Stack) -> AsyncIterator[Connection]:
    """Whoever may lock and read everything."""
    connection = await asyncpg.connect(stack.dsn)
    yield connection
    await connection.close()


async def said(answered: Awaitable[tuple[int, Json, object]]) -> Answer:
    """What came back."""
    status, document, _ = await answered
    return status, document.get("code") if status >= 400 else None


def leaving(owner: Owner) -> Coroutine[Any, Any, Answer]:
    """The helpdesk deletes the account."""
    return said(owner.helpdesk.ask("DELETE", owner.path))


async def race(
    conn: Connection, world: World, owner: Owner, order: int, other: Coroutine[Any, Any, Any]
) -> tuple[Answer, Any]:
    """The end of the account and something else, in that order or the other; what each was answered."""
    works = [leaving(owner), other][::order]
    erased, answered = (await in_turn(conn, world.tenant_id, owner.account_id, *works))[::order]
    return erased, answered


async def count_said(conn: Connection, world: World, event: str) -> int:
    """How many of these events the tenant's services said."""
    counting = "SELECT count(*) FROM bus.outbox WHERE tenant_id = $1 AND routing_key = $2"
    return int(await conn.fetchval(counting, world.tenant_id, event))


async def nothing_is_left(conn: Connection, world: World, owner: Owner) -> None:
    """Every service is done, no table has the person, and the log is whole."""

    async def is_finished() -> bool:
        return bool((await owner.helpdesk.call("DELETE", owner.path, expect=202))["is_finished"])

    await eventually(is_finished, bool)
    words = (owner.email, *owner.seeds.values())
    await eventually(lambda: places_of(conn, *words), lambda found: found <= DOCUMENTED)
    for table in ("policy.accounts", "otp.accounts", "otp.account_keys", "otp.factors", "otp.backup_codes"):
        query = f"SELECT count(*) FROM {table} WHERE tenant_id = $1 AND account_id = $2"  # noqa: S608
        assert await conn.fetchval(query, world.tenant_id, owner.account_id) == 0, table
    await owner.helpdesk.refused("GET", owner.path, None, "account_not_found")
    assert await world.verify_audit(world.tenant_id) > 0


@in_both_orders
async def test_a_code_is_accepted_or_the_account_is_gone(stack: Stack, conn: Connection, order: int) -> None:
    """A person who was deleted a moment ago must not be let in; one who was let in must not come back by it."""
    async with open_world(stack) as world:
        owner = Owner(world.helpdesk, "leaver")
        await owner.put()
        factor = await owner.enrol()
        await owner.helpdesk.move_clock(2 * STEP)
        path = f"/v1/challenges/{(await owner.challenge())['id']}/verify"
        body = {"factor_id": factor, "code": owner.code(factor), "trust_device": True}
        before = await count_said(conn, world, "challenge.verified")
        erased, verified = await race(conn, world, owner, order, said(owner.helpdesk.ask("POST", path, body)))
        assert erased == (202, None)
        assert verified in [(404, "challenge_not_found"), (200, None)]
        assert await count_said(conn, world, "challenge.verified") == before + (verified == (200, None))
        await nothing_is_left(conn, world, owner)


@in_both_orders
async def test_an_enrolment_is_confirmed_or_the_account_is_gone(stack: Stack, conn: Connection, order: int) -> None:
    """A factor that is confirmed behind the end would wait for whoever gets the id next."""
    async with open_world(stack) as world:
        owner = Owner(world.helpdesk, "leaver")
        await owner.put()
        factor = await owner.begin()
        path, body = f"{owner.path}/factors/{factor}/confirm", {"code": owner.code(factor)}
        erased, confirmed = await race(conn, world, owner, order, said(owner.helpdesk.ask("POST", path, body)))
        assert erased == (202, None)
        assert confirmed[0] in (404, 200)
        assert await count_said(conn, world, "factor.confirmed") == (confirmed[0] == 200)
        await nothing_is_left(conn, world, owner)
        again = Owner(world.helpdesk, "leaver")
        await again.put()
        assert (await again.status())["factors"] == []


@in_both_orders
async def test_a_recovery_is_executed_or_the_account_is_gone(stack: Stack, conn: Connection, order: int) -> None:
    """The hour has come in the moment in which the helpdesk deletes the account: nothing of the recovery may follow."""
    async with open_world(stack) as world:
        owner = Owner(world.helpdesk, "leaver")
        await owner.put()
        await owner.enrol()
        await owner.helpdesk.move_clock(SETTLED)
        await owner.lose_device()
        await is_heard_of(conn, world)
        await conn.execute(
            "DELETE FROM policy.timers WHERE tenant_id = $1 AND kind <> 'finish_recovery'", world.tenant_id
        )
        await put_off(conn, world, dt.timedelta(days=9))
        left = instant((await owner.recovery())["ready_at"]) - owner.helpdesk.now
        await owner.helpdesk.move_clock(left + dt.timedelta(seconds=5))
        other = await asyncpg.connect(stack.dsn)
        try:
            erased, _ = await race(conn, world, owner, order, put_off(other, world, dt.timedelta(days=-9)))
        finally:
            await other.close()
        assert erased == (202, None)
        await nothing_is_left(conn, world, owner)
        assert await count_said(conn, world, "recovery.executed") <= await count_said(conn, world, "factor.revoked")
        again = Owner(world.helpdesk, "leaver")
        await again.put()
        await again.enrol()
        assert len((await again.status())["factors"]) == 1


async def is_heard_of(conn: Connection, world: World) -> None:
    """The news of the first notice are here: what nobody has heard of would wait a day longer."""
    heard = "SELECT bool_and(heard_at IS NOT NULL) FROM policy.recovery_requests WHERE tenant_id = $1"
    await eventually(lambda: conn.fetchval(heard, world.tenant_id), bool)


async def put_off(conn: Connection, world: World, by: dt.timedelta) -> None:
    """Let the timers of the tenant wait: for nothing that is late the race would be over before it began."""
    await conn.execute(
        "UPDATE policy.timers SET due_at = due_at + $2::interval WHERE tenant_id = $1 AND state = 'pending'",
        world.tenant_id,
        by,
    )
