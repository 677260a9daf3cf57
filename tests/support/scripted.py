"""A service of the tests' own: real commands, handlers that do what a script says, and one row for each effect."""

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from shared.clock import host_now
from shared.contracts.codec import encode
from shared.contracts.commands import ProveMailbox, ReadAccount, RecordPasswordChange, Request, Unlock
from shared.contracts.envelope import Envelope, Message, begin
from shared.contracts.types import Value
from shared.crypto.keyring import KeyRing
from shared.db.pool import Database
from shared.messaging.bus import Bus, Incoming
from shared.messaging.consumer import Consumer
from shared.messaging.handler_table import HandlerTable, on, on_list
from shared.messaging.outcome import Deferred, Done, ListOutcome, Ok, Outcome
from shared.messaging.postgres_lanes import PostgresLanes
from shared.messaging.relay import Relay
from shared.messaging.topology import POLICY_COMMANDS, POLICY_REQUESTS, Lane
from shared.messaging.unit_of_work import UnitOfWork

ROLE = "deskfactor_policy"
EFFECTS = """
    CREATE TABLE IF NOT EXISTS public.effects (tenant_id uuid NOT NULL, account_id text NOT NULL);
    GRANT SELECT, INSERT ON public.effects TO deskfactor_policy
"""

Behave = Callable[[UnitOfWork], Awaitable[ListOutcome]]


class Told(Value):
    """An answer."""

    times: int


@dataclass
class Script:
    """What the handlers shall do, by account; by default their duty."""

    of: dict[str, Behave] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)  # accounts, a call


async def effect(uow: UnitOfWork, envelope: Envelope[Message]) -> int:
    """Do something that can be seen; how often it was done now."""
    account = envelope.account_id or ""
    await uow.conn.execute("INSERT INTO public.effects VALUES ($1, $2)", envelope.tenant_id, account)
    rows = "SELECT count(*) FROM public.effects WHERE tenant_id = $1 AND account_id = $2"
    times: int = await uow.conn.fetchval(rows, envelope.tenant_id, account)
    return times


async def tell(envelope: Envelope[Message], uow: UnitOfWork, script: Script) -> Outcome:
    """A handler of one message."""
    [outcome] = await tell_all([envelope], uow, script)
    assert not isinstance(outcome, Deferred)
    return outcome


async def tell_all(envelopes: Sequence[Envelope[Message]], uow: UnitOfWork, script: Script) -> list[ListOutcome]:
    """A handler of lists."""
    script.calls.append(tuple(envelope.account_id or "" for envelope in envelopes))
    outcomes: list[ListOutcome] = []
    for envelope in envelopes:
        times = await effect(uow, envelope)
        behave = script.of.get(envelope.account_id or "")
        if behave is not None:
            outcomes.append(await behave(uow))
        else:
            outcomes.append(Ok(Told(times=times)) if isinstance(envelope.data, Request) else Done())
    return outcomes


async def miscount(envelopes: Sequence[Envelope[Message]], uow: UnitOfWork, script: Script) -> list[ListOutcome]:
    """A handler of lists that forgets one."""
    return (await tell_all(envelopes, uow, script))[1:]


def table(handle_list: Callable[..., Awaitable[Sequence[ListOutcome]]] = tell_all) -> HandlerTable[Script]:
    """Real messages, whose handlers follow the script."""
    return HandlerTable[Script](
        on(POLICY_COMMANDS, RecordPasswordChange, tell),
        on_list(POLICY_COMMANDS, ProveMailbox, handle_list),
        on(POLICY_REQUESTS, ReadAccount, tell),
        on_list(POLICY_REQUESTS, Unlock, handle_list),
    )


SINGLE = RecordPasswordChange(changed_at=host_now())
LISTED = ProveMailbox(digest="k1.digest")


def says(outcome: ListOutcome) -> Behave:
    """A handler's word, whatever it did."""

    async def behave(_uow: UnitOfWork) -> ListOutcome:
        return outcome

    return behave


def about(tenant_id: UUID, account_id: str, data: Message) -> Envelope[Message]:
    """A message about an account."""
    return begin(data, tenant_id=tenant_id, account_id=account_id, actor="test", source="/tests", at=host_now())


def incoming(envelope: Envelope[Message], lane: Lane, *, expires_at: dt.datetime | None = None) -> Incoming:
    """A message as a transport brings it."""
    return Incoming(
        lane=lane.name,
        message_id=envelope.id,
        body=encode(envelope),
        wants_reply=lane.is_request,
        expires_at=expires_at,
        first_seen_at=host_now(),
    )


async def effects_of(sql: "asyncpg.Connection[asyncpg.Record]", tenant_id: UUID, account_id: str) -> int:
    """How often something was done for an account."""
    rows = "SELECT count(*) FROM public.effects WHERE tenant_id = $1 AND account_id = $2"
    found: int = await sql.fetchval(rows, tenant_id, account_id)
    return found


def consumer_on(
    database: Database,
    script: Script,
    answers: KeyRing,
    *,
    handlers: HandlerTable[Script] | None = None,
    bus: Bus | None = None,
) -> Consumer[Script]:
    """As a process has it. Without a bus nothing is published: the outbox shows what would be."""
    bus = bus or PostgresLanes(database, name="test")
    return Consumer(
        table=handlers or table(),
        deps=script,
        database=database,
        bus=bus,
        relay=Relay(database, bus),
        answers=answers,
    )
