"""Every statement among many rows: none reads a table, or all that a tenant has in it, where it is given a key.

A plan is kept with its connection, so it is judged in five states of the tables: as they are when a service starts
or a range of time begins, empty; full, but counted by nobody; counted; and counted while there was one row, or were a
few. There everything is cheap, and a plan that reads all of it is still in use when there are thousands. It is made
anew soon (`PLAN_LIFETIME`), but what is asked at every login and message is right by its own shape:

- ``LATERAL (… OFFSET 0)`` and ``EXISTS (… OFFSET 0)`` are looked up for each row, and not joined or remembered;
- ``t.tenant_id = ANY (ARRAY[given.tenant_id])`` in an ``UPDATE … FROM`` finds what ``=`` finds, but is nothing that two
  sorted lists could be merged by: only for that would an index be read from one end to the other.
"""

import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType

import asyncpg
import pytest

from shared.db.pool import Database
from tests.support.crowded import fill
from tests.support.plans import UP_TO_AN_INSTANT, complaints, explain, first_columns
from tests.support.statements import statements

ROWS = 10_000

Complaints = Mapping[str, set[str]]
"""By the function that sends the statement."""

SMALL = MappingProxyType(
    {
        "tenants": "as many as there are tenants",
        "clocks": "as many as there are tenants",
        "policies": "as many as there are tenants",
        "tenants_on_the_broker": "as many as there are tenants",
        "tenant_keys": "as many as there are tenants",
        "heads": "as many as there are tenants",
        "webhook_endpoints": "a few a tenant",
        "reports": "a few a tenant: they end within a day",
        "assertion_keys": "one a year",
        "signing_keys": "one a year",
    }
)
ACCEPTED = MappingProxyType(
    {
        "gateway.api_keys.list_keys": "a tenant has a few keys, and asks for all of them",
        "otp_worker.expiry.expire_factors": "of the factors that are pending, for a quarter of an hour each",
        "otp_worker.pending_codes.activate_pending_set": "of the sets that are pending, for a quarter of an hour each",
        "otp_worker.pending_codes.find_pending_set": "of the sets that are pending, for a quarter of an hour each",
        "otp_worker.pending_codes.void_pending_codes": "of the sets that are pending, for a quarter of an hour each",
        "otp_worker.pending_codes.void_abandoned_codes": "of the sets that are pending, for a quarter of an hour each",
        "policy.accounts.admin_ids": "of the tenant's admins, who have an index of their own",
        "policy.accounts.admins_at_ease": "of the tenant's admins, who have an index of their own",
        "policy.accounts.has_active_admin": "of the tenant's admins, who have an index of their own",
        "policy.reports.count_accounts": "it counts the tenant's accounts, once a report",
        "policy.timers.shift_timers": "it moves all of a sandbox's timers",
        "notifier.sandbox.sandbox_messages": "a page of a sandbox's messages, which are kept for a week",
        "notifier.webhook_deliveries.claim_webhooks": "from endpoint to endpoint, a row of each (LIMIT 1)",
        "notifier.sandbox.purge_messages": "from tenant to tenant, of what sandboxes are shown for a week",
        "notifier.webhook_deliveries.release_leases": "of what is being sent at the moment",
        "messaging.dead_letters.replay_letter": "of the letters that wait for a person, by whom it is asked",
    }
)
AMONG_FEW = MappingProxyType(
    {
        "otp_worker.expiry.expire_challenges": "of what is open, for each sandbox whose clock was moved",
        "policy.recovery_requests.requests_since": "when somebody recovers an account",
    }
)
"""What is accepted of plans that were made among few rows, because they are made anew."""

DUE = frozenset(
    {
        "gateway.accepted_events.purge_events",
        "gateway.prompt_sessions.purge_sessions",
        "otp_worker.expiry.expire_challenges",
        "otp_worker.expiry.expire_factors",
        "policy.timers.delete_ended_timers",
        "notifier.deliveries.claim_expired_leases",
        "messaging.answers.blank_secrets",
        "messaging.answers.delete_answers",
        "messaging.outbox.claim_leftovers",
    }
)
"""They ask for what is due, over or left behind: by an instant, and nothing else."""

FEW = MappingProxyType({"counted when there was one": 1, "counted when there were a few": 10})
STATES = ("empty", "not counted", "counted", *FEW)


@pytest.fixture(scope="module")
async def judged(new_dsn: Callable[[], str]) -> Mapping[str, Complaints]:
    """What is wrong with whose statement, in each of the states."""
    async with _connected(new_dsn()) as (asking, filling):
        found = {"empty": await _judge(asking)}
        await fill(filling, ROWS)
        found["not counted"] = await _judge(asking)
        await filling.execute("ANALYZE")
        found["counted"] = await _judge(asking)
    for state, rows in FEW.items():
        async with _connected(new_dsn()) as (asking, filling):
            await fill(filling, rows)
            await filling.execute("VACUUM ANALYZE")
            found[state] = await _judge(asking)
    return found


@contextlib.asynccontextmanager
async def _connected(
    dsn: str,
) -> AsyncIterator[tuple["asyncpg.Connection[asyncpg.Record]", "asyncpg.Connection[asyncpg.Record]"]]:
    database = Database(dsn, role=None, name="test-plans")  # the settings under which services plan
    asking, filling = await database.dedicated(), await asyncpg.connect(dsn)
    try:
        yield asking, filling
    finally:
        await asking.close()
        await filling.close()


async def _judge(conn: "asyncpg.Connection[asyncpg.Record]") -> Complaints:
    found: dict[str, set[str]] = defaultdict(set)
    sorted_by = await first_columns(conn)
    for statement in statements():
        if not statement.sql.startswith("SET "):
            said = complaints(await explain(conn, statement), SMALL.keys(), sorted_by)
            found[statement.sender] |= {
                each for each in said if statement.sender not in DUE or UP_TO_AN_INSTANT not in each
            }
    return {sender: said for sender, said in found.items() if said}


@pytest.mark.parametrize("state", STATES)
def test_no_statement_reads_more_than_it_is_asked_for(judged: Mapping[str, Complaints], state: str) -> None:
    """What reads all of a table is quick for a week, and the outage of the next."""
    accepted = ACCEPTED | AMONG_FEW if state in FEW else ACCEPTED
    assert {sender: said for sender, said in judged[state].items() if sender not in accepted} == {}


def test_what_is_accepted_is_so(judged: Mapping[str, Complaints]) -> None:
    """An exception that is none any more would hide the next one."""
    assert set(ACCEPTED) <= {sender for found in judged.values() for sender in found}
    assert set(AMONG_FEW) <= {sender for state in FEW for sender in judged[state]}


def test_the_statements_of_a_login_are_among_those_judged() -> None:
    """They are found in the source; were they not, every test here would pass."""
    senders = {statement.sender for statement in statements()}
    assert len(senders) > 200
    assert {
        "gateway.api_keys.find_keys",
        "otp_worker.people.load_visitors",
        "otp_worker.people.lock_judged",
        "otp_worker.verdicts.store_verdicts",
        "messaging.answers.load_answers",
        "messaging.said.insert_said",
        "messaging.outbox.mark_published",
        "messaging.inbox.claim_messages",
        "audit.entries.append_entries",
    } <= senders
