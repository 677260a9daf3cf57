"""What tenants publish on the broker themselves: judged like `POST /v1/events`, without anybody who waits.

Whose it is, the broker has checked. Whatever else is in a message is a stranger's: it is accepted, or set aside with
its reason, and never tried again unless the fault is ours.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import structlog

from services.gateway.api.auth import KeyScope
from services.gateway.api.contacts import Contacts
from services.gateway.api.event_bodies import EventsBody
from services.gateway.api.helpdesk_events import Accepted, Rejected, judge, store_accepted
from services.gateway.api.parsing import parse_body
from services.gateway.problems import HttpCode, Problem
from services.gateway.queries.tenants import find_tenant
from shared.clock import monotonic
from shared.contracts.replies import RefusalCode
from shared.crypto.keyring import KeyRing, UnknownKey
from shared.crypto.sealing import BrokenSeal, Place, open_bytes, seal_bytes
from shared.db.connection import StoreUnavailable
from shared.db.pool import Database, wait_until_up
from shared.messaging.bus import Ack, Dead, Disposition, Incoming, Retry
from shared.messaging.relay import Relay
from shared.messaging.topology import INGRESS_MOST_BYTES
from shared.observability.metrics import MESSAGES_HANDLED

log = structlog.get_logger()

SCOPES = frozenset({KeyScope.LOGINS, KeyScope.ACCOUNTS_WRITE, KeyScope.ACCOUNTS_PRIVILEGED})
KEPT_A_MINUTE = 100  # refused messages of one tenant that are set aside; who sends more is logged, and not kept
_MINUTE = 60.0  # seconds
_SYSTEM = UUID(int=0)
_SEALED = b"v1."  # no JSON begins like that


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """A tenant's backend, signed in to the broker. See `Speaker`."""

    tenant_id: UUID
    is_sandbox: bool

    @property
    def actor(self) -> str:
        """As the audit log names it."""
        return "broker"

    def may(self, scope: KeyScope) -> bool:
        """What a helpdesk tells of its accounts and logins, and nothing else."""
        return scope in SCOPES


class Ingress:
    """Takes what the lane `gateway.ingress` brings."""

    def __init__(self, database: Database, relay: Relay, contacts: Contacts, ring: KeyRing) -> None:
        """``ring``: ``seal.gateway``, which letters that were set aside are sealed with."""
        self._database = database
        self._relay = relay
        self._contacts = contacts
        self._ring = ring
        self._minute = 0
        self._kept: Counter[UUID | None] = Counter()

    async def receive(self, batch: Sequence[Incoming]) -> list[Disposition]:
        """One disposition each, in order; never raises."""
        return [await self._take(incoming) for incoming in batch]

    def prepare(self, letter: Incoming) -> Incoming:
        """A dead letter as it is kept: sealed, because a helpdesk's event holds addresses in clear."""
        sealed = seal_bytes(self._ring, letter.body, _place(letter.tenant_id)).encode()
        return dataclasses.replace(letter, body=sealed)

    async def _take(self, incoming: Incoming) -> Disposition:
        while True:
            try:
                judged = await self._accept(incoming)
            except StoreUnavailable:
                await wait_until_up(self._database)  # no attempt is burnt, and a full window pauses the lane
                continue
            except Exception as error:  # noqa: BLE001 - the ladder brings it back, a person finds it in the end
                log.error("ingress_failed", error=error)
                return Retry(type(error).__name__)
            return self._settle(incoming, judged)

    async def _accept(self, incoming: Incoming) -> Accepted | Problem | str:
        """Accepted and stored; else why not, as a problem of the event or a word about its sender."""
        if incoming.tenant_id is None:
            return "publisher_unknown"
        given = self._event(incoming)
        async with self._database.transaction([incoming.tenant_id], is_own_work=True) as conn:
            tenant = await find_tenant(conn, incoming.tenant_id)
            if tenant is None:
                return "tenant_unknown"
            if tenant.is_suspended:
                return "tenant_suspended"
            if isinstance(given, Problem):
                return given
            publisher = Publisher(tenant_id=incoming.tenant_id, is_sandbox=tenant.is_sandbox)
            judged = judge(given, publisher, self._contacts.within(tenant.countries), answers_event=True)
            if isinstance(judged, Rejected):
                return judged.problem
            rows = await store_accepted(conn, incoming.tenant_id, [judged])
        self._relay.hand_over(rows)
        return judged

    def _event(self, incoming: Incoming) -> object:
        """The JSON of one event; a replayed letter is opened first."""
        body = incoming.body
        if body.startswith(_SEALED):
            try:
                body = open_bytes(self._ring, body.decode(), _place(incoming.tenant_id))
            except (BrokenSeal, UnicodeDecodeError):
                return Problem(code=HttpCode.MALFORMED_JSON)
            except UnknownKey:  # also what a stranger wrote who tries: set aside, it waits for the key
                return Problem(code=RefusalCode.KEY_MISSING)
        if len(body) > INGRESS_MOST_BYTES:
            return Problem(code=HttpCode.BODY_TOO_LARGE)
        parsed = parse_body(body, EventsBody)
        return parsed if isinstance(parsed, Problem) else parsed.root

    def _settle(self, incoming: Incoming, judged: Accepted | Problem | str) -> Disposition:
        if isinstance(judged, Accepted):
            self._report(incoming, "ack")
            return Ack()
        reason = judged if isinstance(judged, str) else _reason(judged)
        if self._is_kept(incoming.tenant_id):
            self._report(incoming, "dead", reason)
            return Dead(reason)
        self._report(incoming, "dropped", reason)
        return Ack()

    def _is_kept(self, tenant_id: UUID | None) -> bool:
        """Whether one more may be set aside: a tenant must not fill our database with noise."""
        minute = int(monotonic() // _MINUTE)
        if minute != self._minute:
            self._minute, self._kept = minute, Counter()
        self._kept[tenant_id] += 1
        return self._kept[tenant_id] <= KEPT_A_MINUTE

    def _report(self, incoming: Incoming, outcome: str, reason: str | None = None) -> None:
        MESSAGES_HANDLED.labels(lane=incoming.lane, type="helpdesk_event", outcome=outcome).inc()
        log.info(
            "message",
            lane=incoming.lane,
            outcome=outcome,
            reason=reason,
            attempt=incoming.attempt,
            message_id=str(incoming.message_id),
            tenant_id=str(incoming.tenant_id),
        )


def _reason(problem: Problem) -> str:
    """The code, and where the first fault is; pointers show nothing of what was sent."""
    if not problem.faults:
        return problem.code.value
    return f"{problem.code.value} {problem.faults[0].pointer} {problem.faults[0].code}"


def _place(tenant_id: UUID | None) -> Place:
    """Where a dead letter of this tenant belongs."""
    return Place(tenant_id=tenant_id or _SYSTEM, purpose="dead_letter", field="body")
