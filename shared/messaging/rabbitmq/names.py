"""How lanes, delays and headers are called on the broker."""

import datetime as dt
import re
from uuid import UUID

from shared.messaging.topology import VERSION, Lane

DEAD_EXCHANGE = "deskfactor.dead"
RECORD_EXCHANGE = "deskfactor.record"  # every fact, in the order of its telling, to those who take all
INGRESS_EXCHANGE = "deskfactor.ingress"  # where tenants publish
DEFAULT_EXCHANGE = ""  # routes by the name of a queue; for replies
REPLY_QUEUE = "amq.rabbitmq.reply-to"  # RabbitMQ's direct reply-to

ATTEMPT = "x-df-attempt"
FIRST_SEEN = "x-df-first-seen"
EXPIRES_AT = "x-df-expires-at"
DEAD_REASON = "x-df-dead-reason"
TENANT = "x-df-tenant"
FRAME = "x-df-frame"  # what is in the body, where that is several messages
ALONE = "x-df-alone"  # a request that is judged together with no other
OURS = (ATTEMPT, FIRST_SEEN, EXPIRES_AT, DEAD_REASON, TENANT, FRAME, ALONE)
BLIND_COPY = "BCC"  # RabbitMQ: more routing keys, a list, which the broker takes off the message

DELIVERY_COUNT = "x-delivery-count"  # quorum queues: failed deliveries so far; absent on the first on 4.x
DEATHS = "x-death"
BROKERS = (DEATHS, "x-first-death-", "x-last-death-", "x-opt-", DELIVERY_COUNT, "x-acquired-count")  # prefixes

_USERNAME = re.compile(r"tenant\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def queue_of(lane: Lane) -> str:
    """Where the lane's workers take from."""
    return f"{lane.name}.{VERSION}"


def dead_queue_of(lane: Lane) -> str:
    """Where its dead letters wait to be parked."""
    return f"{lane.name}.dead.{VERSION}"


def solo_queue_of(lane: Lane) -> str:
    """Where what may have killed a worker waits to be tried alone."""
    return f"{lane.name}.solo.{VERSION}"


def solo_key_of(lane: Lane) -> str:
    """The routing key, on the exchange of commands, that leads there."""
    return f"{lane.name}.solo"


def retry_exchange_of(delay: dt.timedelta) -> str:
    """Takes a message, with the lane's name as routing key, that shall come back to the lane after ``delay``."""
    return f"deskfactor.retry.{_label(delay)}"


def retry_queue_of(delay: dt.timedelta) -> str:
    """Where such messages wait, those of all lanes together."""
    return f"{retry_exchange_of(delay)}.{VERSION}"


def username_of(tenant_id: UUID) -> str:
    """Whom a tenant signs in to the broker as."""
    return f"tenant.{tenant_id}"


def tenant_of(username: str | None) -> UUID | None:
    """The tenant who signs in like that."""
    found = _USERNAME.fullmatch(username or "")
    return UUID(found[1]) if found else None


def out_queue_of(tenant_id: UUID) -> str:
    """Where a tenant reads its events. Without a version: the tenant has the name in its configuration."""
    return f"deskfactor.out.{tenant_id}"


def out_key_of(tenant_id: UUID) -> str:
    """The second routing key of each event, on the exchange of events, that leads there."""
    return f"out.{tenant_id}"


def milliseconds(span: dt.timedelta) -> int:
    """AMQP counts in whole milliseconds."""
    return round(span / dt.timedelta(milliseconds=1))


def _label(delay: dt.timedelta) -> str:
    for unit, length in (("m", 60_000), ("s", 1_000)):
        if milliseconds(delay) % length == 0:
            return f"{milliseconds(delay) // length}{unit}"
    return f"{milliseconds(delay)}ms"
