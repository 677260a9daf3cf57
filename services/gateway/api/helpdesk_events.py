"""Events that a helpdesk hands in: one or an array, each durably accepted or refused by itself.

Accepted means: the command that the event becomes is in the outbox, and its source and id are remembered, in one
committed transaction. Whoever decides does so later; what comes of it is an event of the feed.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError

from services.gateway.api.answers import EventResult, EventsAccepted
from services.gateway.api.auth import KeyScope
from services.gateway.api.bodies import AccountBody
from services.gateway.api.call import SOURCE, Call, Nothing, Outcome, Said
from services.gateway.api.event_bodies import (
    KINDS,
    MOST_EVENTS,
    AccountUpserted,
    EmailChanged,
    EventsBody,
    HelpdeskEvent,
    LoginStarted,
    PasswordChanged,
    SsoChanged,
)
from services.gateway.api.parsing import faults_of
from services.gateway.api.translation import put_account, start_login
from services.gateway.problems import Fault, HttpCode, Problem
from services.gateway.queries.accepted_events import claim_events, load_accepted
from shared.clock import host_now
from shared.contracts.codec import encode
from shared.contracts.commands import PutAccount, RecordPasswordChange
from shared.contracts.envelope import Command, begin
from shared.ids import new_id
from shared.messaging.bus import Exchange
from shared.messaging.outbox import OutboxRow, insert_messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An event that became a command."""

    id: str
    digest: bytes
    message_id: UUID
    row: OutboxRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """An event that did not."""

    id: str | None
    problem: Problem


async def accept(call: Call[EventsBody, Nothing]) -> Outcome:
    """Judge each, store the good ones, answer."""
    given = call.body.root
    events = given if isinstance(given, list) else [given]
    if not 1 <= len(events) <= MOST_EVENTS:
        fault = Fault(pointer="", code="too_many", detail="Give one event, or an array of 1 to 100.")
        return Problem(code=HttpCode.VALIDATION_FAILED, faults=(fault,))
    judged = [_judge(event, call) for event in events]
    if not isinstance(given, list) and isinstance(judged[0], Rejected):
        return judged[0].problem
    results = await _store(judged, call)
    return Said(EventsAccepted(results=tuple(results)).model_dump(mode="json"))


async def _store(judged: Sequence[Accepted | Rejected], call: Call[EventsBody, Nothing]) -> list[EventResult]:
    first: dict[bytes, Accepted] = {}
    for each in judged:
        if isinstance(each, Accepted):
            first.setdefault(each.digest, each)
    rows: list[OutboxRow] = []
    known: dict[bytes, UUID] = {}
    if first:
        async with call.deps.database.transaction([call.tenant_id]) as conn:
            new = await claim_events(conn, call.tenant_id, {digest: each.message_id for digest, each in first.items()})
            known = await load_accepted(conn, call.tenant_id, list(first))
            rows = [each.row for digest, each in first.items() if digest in new]
            if rows:
                await insert_messages(conn, rows)
        call.deps.relay.hand_over(rows)
    stored = {row.message_id for row in rows}
    return [_result(each, known, stored) for each in judged]


def _result(each: Accepted | Rejected, known: Mapping[bytes, UUID], stored: set[UUID]) -> EventResult:
    match each:
        case Accepted():
            status = "accepted" if each.message_id in stored else "duplicate"
            return EventResult(id=each.id, status=status, message_id=known[each.digest])
        case Rejected(problem=problem):
            faults = tuple(
                {"pointer": fault.pointer, "code": fault.code, "detail": fault.detail} for fault in problem.faults
            )
            return EventResult(id=each.id, status="rejected", code=problem.code.value, errors=faults)


def _judge(given: object, call: Call[EventsBody, Nothing]) -> Accepted | Rejected:
    event = _parsed(given)
    if isinstance(event, Rejected):
        return event
    command = _command(event, call)
    if isinstance(command, Problem):
        return Rejected(id=event.id, problem=command)
    message_id = new_id()
    envelope = begin(
        command,
        tenant_id=call.tenant_id,
        account_id=event.subject,
        actor=call.caller.actor,
        source=SOURCE,
        at=host_now(),
        message_id=message_id,
    )
    row = OutboxRow(
        message_id=message_id,
        tenant_id=call.tenant_id,
        exchange=Exchange.COMMANDS,
        routing_key=f"{command.lane.partition('.')[0]}.commands",  # of its service: nobody waits for an answer
        body=encode(envelope),
    )
    return Accepted(id=event.id, digest=_digest(event), message_id=message_id, row=row)


def _parsed(given: object) -> HelpdeskEvent | Rejected:
    kind = KINDS.get(str(given.get("type"))) if isinstance(given, dict) else None
    if kind is None:
        detail = "One of " + ", ".join(KINDS)
        fault = Fault(pointer="/type", code="type_unknown", detail=detail)
        return Rejected(id=None, problem=Problem(code=HttpCode.VALIDATION_FAILED, faults=(fault,)))
    try:
        return kind.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        return Rejected(id=None, problem=Problem(code=HttpCode.VALIDATION_FAILED, faults=faults_of(error)))


def _command(event: HelpdeskEvent, call: Call[EventsBody, Nothing]) -> Command | Problem:
    needed = KeyScope.LOGINS if isinstance(event, LoginStarted) else KeyScope.ACCOUNTS_WRITE
    if not call.caller.may(needed):
        return Problem(code=HttpCode.FORBIDDEN_SCOPE)
    match event:
        case AccountUpserted(data=data):
            return _put(data, event, call)
        case EmailChanged(data=data):
            return _put(AccountBody(email=data.email, email_verified=data.email_verified), event, call)
        case SsoChanged(data=data):
            return _put(AccountBody(sso=data.sso), event, call)
        case PasswordChanged(data=data):
            return RecordPasswordChange(changed_at=data.changed_at or event.time)
        case LoginStarted(data=data):
            return start_login(data)
        case _:
            raise TypeError(type(event).__name__)


def _put(body: AccountBody, event: HelpdeskEvent, call: Call[EventsBody, Nothing]) -> PutAccount | Problem:
    return put_account(body, event.subject, call.caller, call.deps.contacts)


def _digest(event: HelpdeskEvent) -> bytes:
    """Of source and id; neither holds a blank."""
    return hashlib.sha256(f"{event.source} {event.id}".encode()).digest()
