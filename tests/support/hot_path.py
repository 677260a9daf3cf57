"""What is asked at every login, message and poll: as the code asks it, of a database that `crowded` has filled."""

import datetime as dt
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from uuid import UUID

import asyncpg

from services.audit.domain.chain import Entry, Header
from services.audit.queries.entries import append_entries, list_entries
from services.audit.queries.heads import lock_due_heads, lock_heads
from services.audit.queries.keys import load_owners
from services.gateway.queries.api_keys import find_keys
from services.notifier.queries.deliveries import claim_deliveries, claim_expired_leases, deliveries_of_challenge
from services.notifier.queries.webhook_deliveries import claim_webhooks, release_leases
from services.notifier.queries.webhook_listeners import filters, listeners
from services.otp_worker.domain.account import AccountState
from services.otp_worker.domain.challenge import Challenge
from services.otp_worker.domain.sending import SentCode
from services.otp_worker.queries.accounts import load_accounts, save_accounts
from services.otp_worker.queries.backup_codes import count_codes
from services.otp_worker.queries.challenges import (
    insert_challenges,
    load_challenge,
    load_open_challenges,
    lock_challenges,
    save_sends,
    try_lock_owners,
)
from services.otp_worker.queries.codes import insert_codes, load_codes, spend_codes
from services.otp_worker.queries.expiry import expire_challenges, expire_factors
from services.otp_worker.queries.factors import load_factors
from services.otp_worker.queries.people import load_people, load_visitors, lock_judged
from services.otp_worker.queries.redemptions import redeem_challenge
from services.otp_worker.queries.trusted_devices import find_devices, list_devices, touch_devices
from services.otp_worker.queries.verdicts import store_verdicts
from services.policy.queries.recovery_requests import open_request, requests_since
from services.policy.queries.standings import read_standings
from services.policy.queries.timers import cancel_timers, claim_due_timers, seconds_to_next_timer
from services.policy.queries.usage import accounts_after, read_granted, read_usage
from shared.clock import host_now
from shared.contracts.types import ChallengeId, ChallengeState, Channel, DeviceId, FactorId, Purpose
from shared.db.admin_action import read_action_facts
from shared.db.connection import Connection
from shared.ids import new_id
from shared.messaging.answers import StoredAnswer, load_answers
from shared.messaging.bus import Exchange
from shared.messaging.inbox import claim_messages
from shared.messaging.outbox import OutboxRow, claim_leftovers, insert_messages, mark_failed, mark_published
from shared.messaging.said import insert_said
from tests.support.plans import nodes
from tests.support.touched import pages, plans_of, rows_thrown_away

FRAME = 64  # the most that are judged together
PAGES = 40  # of 8 KiB, for each row that is asked for: some of these read ten tables
MORE = MappingProxyType(
    {
        "listeners": 120,  # counts what waits for an endpoint, up to where it is full
        "visitors": 60,  # fourteen tables, and every range of challenges
        "judged": 45,  # what "people" reads, and the challenge
    }
)
THROWN_AWAY = FRAME  # rows, for each that is asked for: a frame is compared with itself
_LEASE = dt.timedelta(seconds=15)
_PAGE = 100

Call = Callable[[Connection], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Asked:
    """Something asked by a service. ``items``: of how many rows it speaks."""

    service: str
    call: Call
    items: int = FRAME
    on_work_queues: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that there are: accounts of the large tenant and their open challenges, whose ids are those of all else."""

    tenant_id: UUID
    names: Sequence[str]
    ids: Sequence[UUID]


async def some_rows(conn: "asyncpg.Connection[asyncpg.Record]", tenant_id: UUID) -> Rows:
    """As many as a frame holds, from all over the table."""
    found = await conn.fetch(
        """
        SELECT account_id, challenge_id FROM otp.challenges
         WHERE tenant_id = $1 AND state = 'open' ORDER BY md5(account_id) LIMIT $2
        """,
        tenant_id,
        FRAME,
    )
    return Rows(tenant_id, [row["account_id"] for row in found], [row["challenge_id"] for row in found])


def hot_path(rows: Rows) -> dict[str, Asked]:
    """By what it is for."""
    now, tenant_id = host_now(), rows.tenant_id
    accounts = [(tenant_id, name) for name in rows.names]
    challenges = [(tenant_id, ChallengeId(each)) for each in rows.ids]
    one, account = challenges[0][1], rows.names[0]
    known = [_challenge(each, name, now) for each, name in zip(rows.ids, rows.names, strict=True)]
    codes = [_code(now) for _ in known]
    later = [now] * len(known)
    answers = [_answer(tenant_id) for _ in known]
    said = [_row(tenant_id) for _ in known]
    entries = [_entry(tenant_id, now, seq) for seq in range(10**9, 10**9 + FRAME)]
    new = [(tenant_id, replace(each, id=ChallengeId(new_id())), 0) for each in known]
    otp = {
        "accounts": Asked("otp_worker", lambda conn: load_accounts(conn, accounts)),
        "people": Asked("otp_worker", lambda conn: load_people(conn, accounts)),
        "visitors": Asked("otp_worker", lambda conn: load_visitors(conn, accounts)),
        "judged": Asked("otp_worker", lambda conn: lock_judged(conn, dict(zip(challenges, accounts, strict=True)))),
        "throttles": Asked("otp_worker", lambda conn: save_accounts(conn, dict.fromkeys(accounts, AccountState()))),
        "factors": Asked("otp_worker", lambda conn: load_factors(conn, accounts)),
        "steps": Asked(
            "otp_worker",
            lambda conn: store_verdicts(conn, [], [(tenant_id, FactorId(each), 1, now) for each in rows.ids], {}),
        ),
        "whose challenges": Asked("otp_worker", lambda conn: try_lock_owners(conn, challenges)),
        "challenges": Asked("otp_worker", lambda conn: lock_challenges(conn, challenges)),
        "a challenge": Asked("otp_worker", lambda conn: load_challenge(conn, tenant_id, one), 1),
        "open challenges": Asked("otp_worker", lambda conn: load_open_challenges(conn, accounts)),
        "new challenges": Asked("otp_worker", lambda conn: insert_challenges(conn, new)),
        "verdicts": Asked(
            "otp_worker",
            lambda conn: store_verdicts(
                conn, [(tenant_id, each, now) for each in known], [], dict.fromkeys(accounts, AccountState())
            ),
        ),
        "sends": Asked("otp_worker", lambda conn: save_sends(conn, [(tenant_id, each) for each in known])),
        "codes": Asked("otp_worker", lambda conn: load_codes(conn, challenges)),
        "new codes": Asked(
            "otp_worker",
            lambda conn: insert_codes(conn, [(*key, code) for key, code in zip(challenges, codes, strict=True)]),
        ),
        "used codes": Asked("otp_worker", lambda conn: spend_codes(conn, challenges, later)),
        "backup codes": Asked("otp_worker", lambda conn: count_codes(conn, accounts)),
        "trusted devices": Asked(
            "otp_worker", lambda conn: find_devices(conn, [(key, _digest(key[1])) for key in accounts])
        ),
        "devices of an account": Asked("otp_worker", lambda conn: list_devices(conn, tenant_id, account), 1),
        "devices that were used": Asked(
            "otp_worker", lambda conn: touch_devices(conn, [(tenant_id, DeviceId(each)) for each in rows.ids], later)
        ),
        "redemption": Asked("otp_worker", lambda conn: redeem_challenge(conn, tenant_id, one, bytes(32)), 1),
        "an admin's action": Asked("otp_worker", lambda conn: read_action_facts(conn, tenant_id, account, None), 1),
        "expired challenges": Asked(
            "otp_worker", lambda conn: expire_challenges(conn, limit=_PAGE, is_moved=False), 1, on_work_queues=True
        ),
        "expired challenges of sandboxes": Asked(
            "otp_worker", lambda conn: expire_challenges(conn, limit=_PAGE, is_moved=True), 1, on_work_queues=True
        ),
        "expired factors": Asked(
            "otp_worker", lambda conn: expire_factors(conn, limit=_PAGE, is_moved=False), 1, on_work_queues=True
        ),
    }
    bus = {
        "answers": Asked(
            "otp_worker", lambda conn: load_answers(conn, [(each.tenant_id, each.scope, each.key) for each in answers])
        ),
        "new answers": Asked("otp_worker", lambda conn: insert_said(conn, answers, [])),
        "outbox": Asked("otp_worker", lambda conn: insert_messages(conn, said)),
        "what was published": Asked(
            "otp_worker", lambda conn: mark_published(conn, [(each, "x") for each in rows.ids])
        ),
        "what was not published": Asked(
            "otp_worker", lambda conn: mark_failed(conn, [((each, "x"), "unknown") for each in rows.ids])
        ),
        "sweep": Asked("otp_worker", lambda conn: claim_leftovers(conn, lease=_LEASE, limit=FRAME)),
        "inbox": Asked("policy", lambda conn: claim_messages(conn, "policy.commands", [new_id() for _ in known])),
    }
    policy = {
        "standings": Asked("policy", lambda conn: read_standings(conn, tenant_id, rows.names)),
        "an open recovery": Asked("policy", lambda conn: open_request(conn, tenant_id, account), 1),
        "recoveries": Asked("policy", lambda conn: requests_since(conn, tenant_id, account, now), 1),
        "timers that are cancelled": Asked(
            "policy", lambda conn: cancel_timers(conn, tenant_id, [f"account:{name}" for name in rows.names])
        ),
        "due timers": Asked(
            "policy", lambda conn: claim_due_timers(conn, host_now=now, at_most=FRAME), on_work_queues=True
        ),
        "the next timer": Asked(
            "policy", lambda conn: seconds_to_next_timer(conn, host_now=now), 1, on_work_queues=True
        ),
        "a page of accounts": Asked(
            "policy", lambda conn: accounts_after(conn, tenant_id, account, limit=_PAGE), _PAGE
        ),
        "what was granted": Asked("policy", lambda conn: read_granted(conn, tenant_id, rows.names)),
        "usage": Asked("policy", lambda conn: read_usage(conn, tenant_id, rows.names)),
    }
    notifier = {
        "deliveries": Asked(
            "notifier", lambda conn: claim_deliveries(conn, Channel.EMAIL, limit=FRAME), on_work_queues=True
        ),
        "leases that ended": Asked(
            "notifier", lambda conn: claim_expired_leases(conn, limit=FRAME), 1, on_work_queues=True
        ),
        "deliveries of a challenge": Asked("notifier", lambda conn: deliveries_of_challenge(conn, tenant_id, one), 1),
        "webhooks": Asked("notifier", lambda conn: claim_webhooks(conn, limit=FRAME), 300, on_work_queues=True),
        "webhooks whose lease ended": Asked(
            "notifier", lambda conn: release_leases(conn, limit=FRAME), 1, on_work_queues=True
        ),
        "filters": Asked("notifier", lambda conn: filters(conn, [tenant_id]), 1),
        "listeners": Asked("notifier", lambda conn: listeners(conn, [tenant_id]), 1),
    }
    audit = {
        "heads": Asked("audit", lambda conn: lock_heads(conn, [tenant_id]), 1),
        "due heads": Asked("audit", lambda conn: lock_due_heads(conn, limit=FRAME), on_work_queues=True),
        "entries": Asked("audit", lambda conn: append_entries(conn, entries, [b"x"] * FRAME)),
        "whose entries": Asked("audit", lambda conn: load_owners(conn, accounts)),
        "a page of the log": Asked("audit", lambda conn: _page_of_log(conn, tenant_id, None), _PAGE),
        "the log of an account": Asked("audit", lambda conn: _page_of_log(conn, tenant_id, account), 1),
    }
    gateway = {"an API key": Asked("gateway", lambda conn: find_keys(conn, [_digest(account)]), 1, on_work_queues=True)}
    return otp | bus | policy | notifier | audit | gateway


async def too_much(
    conn: "asyncpg.Connection[asyncpg.Record]", hot: Mapping[str, Asked], tenant_id: UUID, *, is_generic: bool
) -> dict[str, tuple[int, int]]:
    """What reads more than it should, or all of a table: pages and rows that were thrown away."""
    found = {}
    for what, asked in hot.items():
        async with conn.transaction():
            await conn.execute(f"SET LOCAL ROLE deskfactor_{asked.service}")
            await conn.execute(f"SET LOCAL deskfactor.tenants = '{{{tenant_id}}}'")
            if asked.on_work_queues:
                await conn.execute("SET LOCAL deskfactor.work_queues = 'on'")
            plans = await plans_of(conn, asked.call, is_generic=is_generic)
        assert plans, what
        read, thrown = max(map(pages, plans)), max(map(rows_thrown_away, plans))
        is_whole = any(node["Node Type"] == "Seq Scan" for plan in plans for node in nodes(plan))
        if is_whole or read > MORE.get(what, PAGES) * asked.items or thrown > THROWN_AWAY * asked.items:
            found[what] = (read, thrown)
    return found


async def _page_of_log(conn: Connection, tenant_id: UUID, account_id: str | None) -> object:
    return await list_entries(
        conn, tenant_id, account_id=account_id, kinds=[], after=0, before=None, newest_first=True, limit=_PAGE
    )


def _digest(name: str) -> bytes:
    """As `crowded` makes them."""
    return hashlib.sha256(name.encode()).digest()


def _challenge(challenge_id: UUID, account_id: str, now: dt.datetime) -> Challenge:
    return Challenge(
        id=ChallengeId(challenge_id),
        account_id=account_id,
        purpose=Purpose.SIGN_IN,
        state=ChallengeState.OPEN,
        context="x",
        attempts=1,
        created_at=now,
        expires_at=now + dt.timedelta(minutes=10),
    )


def _code(now: dt.datetime) -> SentCode:
    return SentCode(id=new_id(), factor_id=None, digest="x", created_at=now, expires_at=now)


def _answer(tenant_id: UUID) -> StoredAnswer:
    return StoredAnswer(
        tenant_id=tenant_id, scope="POST /v1/logins", key=str(new_id()), fingerprint=b"x", reply=b"x", account_id="ann"
    )


def _row(tenant_id: UUID) -> OutboxRow:
    return OutboxRow(
        message_id=new_id(), tenant_id=tenant_id, exchange=Exchange.EVENTS, routing_key="challenge.verified", body=b"x"
    )


def _entry(tenant_id: UUID, now: dt.datetime, seq: int) -> Entry:
    header = Header(tenant_id=tenant_id, entry_id=new_id(), kind="x", at=now, pseudonym=None, payload_digest=bytes(32))
    return Entry(header=header, seq=seq, previous_hash=bytes(32), hash=bytes(32))
