"""Endpoints of a notifier's tenant, and events that come to them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from shared.clock import host_now
from shared.contracts.codec import encode
from shared.contracts.commands import CreateWebhookEndpoint, ReadWebhookDeliveries, ReadWebhookEndpoints
from shared.contracts.envelope import Envelope, Event, begin
from shared.contracts.events import AccountUpserted, BackupCodesLow, SessionsShouldEnd
from shared.contracts.types import EndpointId, Role
from shared.crypto.sealing import seal, webhook_place
from shared.ids import new_id
from shared.messaging.bus import Ack, Incoming
from shared.messaging.topology import NOTIFIER_WEBHOOKS
from shared.secret import Secret
from tests.handlers.notifier.conftest import Desk
from tests.support.eventually import eventually

SESSIONS = SessionsShouldEnd(reason="locked_out")
LOW = BackupCodesLow(codes_left=2)
UPSERTED = AccountUpserted(role=Role.AGENT, is_active=True, is_sso=False)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint of the desk's tenant."""

    desk: Desk
    id: EndpointId
    secret: str = field(repr=False)

    async def deliveries(self) -> list[dict[str, Any]]:
        """Newest first."""
        answer = await self.desk.ask(ReadWebhookDeliveries(endpoint_id=self.id))
        found: list[dict[str, Any]] = answer["deliveries"]
        return found

    async def settled(self, *states: str) -> list[dict[str, Any]]:
        """Wait until the deliveries, newest first, are in these states; each has been tried."""

        def is_so(found: list[dict[str, Any]]) -> bool:
            return [each["state"] for each in found if each["attempts"]] == list(states)

        return await eventually(self.deliveries, is_so)

    async def view(self) -> dict[str, Any]:
        """As the tenant sees it."""
        return await self.desk.ask(ReadWebhookEndpoints(endpoint_id=self.id))


def sealed_url(desk: Desk, endpoint_id: UUID, url: str) -> str:
    """As the gateway seals it."""
    return seal(desk.deps.seal, Secret(url), webhook_place(desk.tenant_id, endpoint_id, "url"))


def creation(desk: Desk, url: str, events: Sequence[str] = ("*",)) -> CreateWebhookEndpoint:
    """The gateway's request."""
    endpoint_id = EndpointId(new_id())
    return CreateWebhookEndpoint(
        endpoint_id=endpoint_id, url=sealed_url(desk, endpoint_id, url), events=tuple(events), description="tests"
    )


async def endpoint(desk: Desk, url: str, events: Sequence[str] = ("*",)) -> Endpoint:
    """A new one."""
    made = await desk.ask(creation(desk, url, events))
    return Endpoint(desk=desk, id=EndpointId(UUID(made["id"])), secret=made["secret"])


async def happen(desk: Desk, *events: Event) -> list[Envelope[Event]]:
    """These events come together to the lane."""
    envelopes = [
        begin(each, tenant_id=desk.tenant_id, account_id="ann", actor="system", source="/tests", at=host_now())
        for each in events
    ]
    await arrive(desk, envelopes)
    return envelopes


async def arrive(desk: Desk, envelopes: Sequence[Envelope[Event]]) -> None:
    """As the bus hands them over."""
    batch = [
        Incoming(lane=NOTIFIER_WEBHOOKS.name, message_id=each.id, body=encode(each), first_seen_at=host_now())
        for each in envelopes
    ]
    assert await desk.consumer.receive(batch) == [Ack()] * len(batch)


async def due_now(desk: Desk) -> None:
    """The next step of the schedule has come."""
    await desk.rows("UPDATE notifier.webhook_deliveries SET next_attempt_at = now() WHERE state = 'queued'")
    desk.deps.webhook_wake.set()


async def said(desk: Desk, kind: str) -> list[asyncpg.Record]:
    """Events of a kind in the tenant's outbox."""
    return await desk.rows(
        "SELECT body FROM bus.outbox WHERE tenant_id = $1 AND routing_key = $2", desk.tenant_id, kind
    )
