"""Which endpoints there are for events that have just happened."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from services.notifier.domain.webhook import MAX_WAITING, Listener
from shared.db.connection import Connection


async def filters(conn: Connection, tenants: Sequence[UUID]) -> Mapping[UUID, list[Sequence[str]]]:
    """What the enabled endpoints of these tenants let through; tenants without one are left out."""
    rows = await conn.fetch(
        """
        SELECT tenant_id, events FROM notifier.webhook_endpoints
         WHERE tenant_id = ANY ($1::uuid[]) AND disabled_at IS NULL
        """,
        list(tenants),
    )
    found: dict[UUID, list[Sequence[str]]] = defaultdict(list)
    for row in rows:
        found[row["tenant_id"]].append(row["events"])
    return found


async def listeners(conn: Connection, tenants: Sequence[UUID]) -> list[Listener]:
    """The enabled endpoints of these tenants, and whether so much waits for one that nothing more is added."""
    rows = await conn.fetch(
        """
        SELECT e.tenant_id, e.endpoint_id, e.events, e.created_at,
               EXISTS (SELECT FROM notifier.webhook_deliveries AS d
                        WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.endpoint_id AND d.state = 'queued'
                       OFFSET $2) AS is_full
          FROM notifier.webhook_endpoints AS e
         WHERE e.tenant_id = ANY ($1::uuid[]) AND e.disabled_at IS NULL
        """,
        list(tenants),
        MAX_WAITING,
    )
    return [Listener(**dict(row)) for row in rows]


async def count_missed(conn: Connection, tenant_id: UUID, endpoint_id: UUID, *, events: int) -> None:
    """So many events were left out; whoever looks at the endpoint sees that the feed has more."""
    await conn.execute(
        "UPDATE notifier.webhook_endpoints SET missed = missed + $3 WHERE tenant_id = $1 AND endpoint_id = $2",
        tenant_id,
        endpoint_id,
        events,
    )
