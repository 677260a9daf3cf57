"""Every lane, exchange and binding, in one table. `deskfactor topology diff` compares a broker with it.

All names end in ``.v1`` on the broker, because a queue's arguments never change: a new set of arguments is a new name.
"""

import datetime as dt
from dataclasses import dataclass

VERSION = "v1"

RETRY_DELAYS = (
    dt.timedelta(seconds=5),
    dt.timedelta(seconds=30),
    dt.timedelta(minutes=2),
    dt.timedelta(minutes=10),
    dt.timedelta(minutes=30),
)
DELIVERY_LIMIT = 20  # RabbitMQ 4's default, said aloud for 3.10, which has none
KILLER_AFTER = 3  # deliveries after which a message may be the one that kills its worker
REQUEST_BUDGET = dt.timedelta(seconds=2.5)  # from the request at the gateway to its answer
REQUEST_LANE_LENGTH = 5_000  # messages waiting on a request lane; more are refused, which the caller hears at once
PACE_OF_FACTS = 0.1  # seconds: more replicas send more batches, and these make up fewer transactions
EVERY_FACT = "#"  # a pattern (AMQP topic syntax)
INGRESS_LANE_LENGTH = 50_000  # messages of tenants; more are refused, which their publishers hear
INGRESS_MOST_BYTES = 64 * 1024  # of one of them: as much as the HTTP API takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A queue and its workers.

    `name` is the routing key of commands to it; `binds` are patterns of event types (AMQP topic syntax); `workers` is
    how many batches are handled at once in a process; `batch` is how many messages a worker may take together; `pace`
    is how many seconds pass from one batch to the next in a process, unless one is known to be full: who comes alone
    does not wait.
    """

    name: str
    binds: tuple[str, ...] = ()
    workers: int = 4
    batch: int = 1
    pace: float = 0.0
    is_request: bool = False  # messages carry what is left of the budget as their TTL, and are answered
    is_ingress: bool = False  # tenants publish to it themselves; over RabbitMQ only


OTP_LOGINS = Lane(name="otp_worker.logins", is_request=True, workers=4, batch=64)
OTP_FACTORS = Lane(name="otp_worker.factors", is_request=True)  # an enrolment hashes ten codes: no login waits for it
OTP_COMMANDS = Lane(
    name="otp_worker.commands",
    batch=64,
    binds=("account.erased", "account.password_changed", "notice.disputed", "recovery.attack", "sandbox.clock_moved"),
)
POLICY_REQUESTS = Lane(name="policy.requests", is_request=True, workers=4)
POLICY_PREVIEWS = Lane(name="policy.previews", is_request=True, workers=1)  # seconds of work: nobody waits behind it
POLICY_COMMANDS = Lane(
    name="policy.commands",
    batch=100,
    binds=(
        "account.reset",
        "challenge.verified",
        "factor.confirmed",
        "factor.revoked",
        "notice.disputed",
        "notification.sent",
        "sessions.should_end",
        "tenant.changed",
    ),
    pace=PACE_OF_FACTS,
)
POLICY_DEADLINES = Lane(name="policy.deadlines", workers=2, batch=200)  # a whole helpdesk's at one instant
NOTIFIER_REQUESTS = Lane(name="notifier.requests", is_request=True, workers=2)
NOTIFIER_EMAIL = Lane(name="notifier.email", batch=64)
NOTIFIER_SMS = Lane(name="notifier.sms", batch=64)
NOTIFIER_EVENTS = Lane(name="notifier.events", binds=("account.erased",), workers=1)
NOTIFIER_WEBHOOKS = Lane(name="notifier.webhooks", binds=(EVERY_FACT,), workers=2, batch=200, pace=PACE_OF_FACTS)
AUDIT_REQUESTS = Lane(name="audit.requests", is_request=True, workers=2)
AUDIT_EVENTS = Lane(name="audit.events", binds=(EVERY_FACT,), workers=2, batch=200, pace=PACE_OF_FACTS)
GATEWAY_INGRESS = Lane(name="gateway.ingress", is_ingress=True)  # one at a time: a stranger chooses their size

LANES: tuple[Lane, ...] = (
    OTP_LOGINS,
    OTP_FACTORS,
    OTP_COMMANDS,
    POLICY_REQUESTS,
    POLICY_PREVIEWS,
    POLICY_COMMANDS,
    POLICY_DEADLINES,
    NOTIFIER_REQUESTS,
    NOTIFIER_EMAIL,
    NOTIFIER_SMS,
    NOTIFIER_EVENTS,
    NOTIFIER_WEBHOOKS,
    AUDIT_REQUESTS,
    AUDIT_EVENTS,
    GATEWAY_INGRESS,
)


def lane(name: str) -> Lane:
    """The lane of that name; `KeyError` when there is none."""
    return {each.name: each for each in LANES}[name]


def matches(pattern: str, routing_key: str) -> bool:
    """Whether an AMQP topic pattern (``*`` one word, ``#`` any number of words) takes a routing key."""
    return _match(pattern.split("."), routing_key.split("."))


def _match(pattern: list[str], words: list[str]) -> bool:
    match pattern, words:
        case [], []:
            return True
        case ["#", *rest], _:
            return any(_match(rest, words[skip:]) for skip in range(len(words) + 1))
        case [head, *rest], [word, *more]:
            return head in ("*", word) and _match(rest, more)
        case _:
            return False
