"""Events that a helpdesk hands in: one or an array, each durably accepted or refused by itself. Those that it publishes
on the broker are judged and stored by the same functions.

Accepted means: the command that the event becomes is in the outbox, and its source and id are remembered, in one
committed transaction. Whoever decides does so later; what comes of it is an event of the feed.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from pydantic import ValidationError

from services.gateway.api.answers import EventResult, EventsAccepted
from services.gateway.api.auth import KeyScope, Speaker
from services.gateway.api.bodies import AccountBody
from services.gateway.api.call import SOURCE, Call, Nothing, Outcome, Said
from services.gateway.api.contacts import Contacts
from services.gateway.api.event_bodies import (
    EVENT_ID,
    KINDS,
    MOST_EVENTS,
    AccountDeleted,
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
from shared.contracts.commands import EraseAccount, RecordPasswordChange
from shared.contracts.envelope import Command, begin
from shared.db.connection import Connection
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
        code = "too_many" if events else "too_few"
        fault = Fault(pointer="", code=code, detail=f"Give one event, or an array of 1 to {MOST_EVENTS}.")
        return Problem(code=HttpCode.VALIDATION_FAILED, faults=(fault,))
    contacts = await call.contacts() if any(_has_phone(each) for each in events) else call.deps.contacts
    judged = [judge(event, call.caller, contacts) for event in events]
    if not isinstance(given, list) and isinstance(judged[0], Rejected):
        return judged[0].problem
    results = await _store(judged, call)
    return Said(EventsAccepted(results=tuple(results)).model_dump(mode="json"))


def _has_phone(event: object) -> bool:
    """Whether the tenant's countries matter to it."""
    data = event.get("data") if isinstance(event, dict) else None
    return isinstance(data, dict) and data.get("phone") is not None


async def _store(judged: Sequence[Accepted | Rejected], call: Call[EventsBody, Nothing]) -> list[EventResult]:
    accepted = [each for each in judged if isinstance(each, Accepted)]
    rows: list[OutboxRow] = []
    known: dict[bytes, UUID] = {}
    if accepted:
        async with call.deps.database.transaction([call.tenant_id]) as conn:
            rows = await store_accepted(conn, call.tenant_id, accepted)
            known = await load_accepted(conn, call.tenant_id, list({each.digest for each in accepted}))
        call.deps.relay.hand_over(rows)
    stored = {row.message_id for row in rows}
    return [_result(each, known, stored) for each in judged]


async def store_accepted(conn: Connection, tenant_id: UUID, accepted: Iterable[Accepted]) -> list[OutboxRow]:
    """Their commands, in the transaction that remembers the events; returns those that were not known before."""
    first: dict[bytes, Accepted] = {}
    for each in accepted:
        first.setdefault(each.digest, each)
    new = await claim_events(conn, tenant_id, {digest: each.message_id for digest, each in first.items()})
    rows = [each.row for digest, each in first.items() if digest in new]
    if rows:
        rows = await insert_messages(conn, rows)
    return rows


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


def judge(given: object, speaker: Speaker, contacts: Contacts, *, answers_event: bool = False) -> Accepted | Rejected:
    """What an event becomes. ``answers_event``: what follows names the event itself, not the command it became."""
    event = _parsed(given)
    if isinstance(event, Rejected):
        return event
    command = _command(event, speaker, contacts)
    if isinstance(command, Problem):
        return Rejected(id=event.id, problem=command)
    cause = _event_uuid(speaker.tenant_id, event) if answers_event else None
    message_id = new_id()
    envelope = begin(
        command,
        tenant_id=speaker.tenant_id,
        account_id=event.subject,
        actor=speaker.actor,
        source=SOURCE,
        at=host_now(),
        correlation_id=cause,
        message_id=message_id,
    )
    row = OutboxRow(
        message_id=message_id,
        tenant_id=speaker.tenant_id,
        exchange=Exchange.COMMANDS,
        routing_key=f"{command.lane.partition('.')[0]}.commands",  # of its service: nobody waits for an answer
        body=encode(dataclasses.replace(envelope, causation_id=cause)),
    )
    return Accepted(id=event.id, digest=_digest(event), message_id=message_id, row=row)


def _parsed(given: object) -> HelpdeskEvent | Rejected:
    kind = KINDS.get(str(given.get("type"))) if isinstance(given, dict) else None
    if kind is None:
        detail = "One of " + ", ".join(KINDS)
        fault = Fault(pointer="/type", code="type_unknown", detail=detail)
        return Rejected(id=_id_of(given), problem=Problem(code=HttpCode.VALIDATION_FAILED, faults=(fault,)))
    try:
        return kind.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        return Rejected(id=_id_of(given), problem=Problem(code=HttpCode.VALIDATION_FAILED, faults=faults_of(error)))


def _id_of(given: object) -> str | None:
    """By which a sender finds the event again that was refused; None where it has none that could be one."""
    found = given.get("id") if isinstance(given, dict) else None
    return found if isinstance(found, str) and EVENT_ID.fullmatch(found) else None


def _command(event: HelpdeskEvent, speaker: Speaker, contacts: Contacts) -> Command | Problem:
    needed = KeyScope.LOGINS if isinstance(event, LoginStarted) else KeyScope.ACCOUNTS_WRITE
    if not speaker.may(needed):
        return Problem(code=HttpCode.FORBIDDEN_SCOPE)
    match event:
        case AccountUpserted(data=data):
            return put_account(data, event.subject, speaker, contacts, under="/data")
        case EmailChanged(data=data):
            body = AccountBody(email=data.email, email_verified=data.email_verified, version=data.version)
            return put_account(body, event.subject, speaker, contacts, is_whole=False, under="/data")
        case SsoChanged(data=data):
            body = AccountBody(sso=data.sso, version=data.version)
            return put_account(body, event.subject, speaker, contacts, is_whole=False)
        case PasswordChanged(data=data):
            return RecordPasswordChange(changed_at=data.changed_at or event.time, version=data.version)
        case AccountDeleted(data=data):
            if not speaker.may(KeyScope.ACCOUNTS_PRIVILEGED):
                return Problem(code=HttpCode.FORBIDDEN_SCOPE)
            return EraseAccount(version=data.version)
        case LoginStarted(data=data):
            return start_login(data)
        case _:
            raise TypeError(type(event).__name__)


def _event_uuid(tenant_id: UUID, event: HelpdeskEvent) -> UUID:
    """The event's id where it is a UUID, else one that the helpdesk can work out as well (RFC 9562, 5.5)."""
    try:
        return UUID(event.id)
    except ValueError:
        return uuid5(tenant_id, f"{event.source} {event.id}")


def _digest(event: HelpdeskEvent) -> bytes:
    """Of source and id; neither holds a blank."""
    return hashlib.sha256(f"{event.source} {event.id}".encode()).digest()
