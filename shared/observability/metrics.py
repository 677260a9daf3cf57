"""Every metric, in one place. Labels are bounded: never a tenant, an account or an address."""

from prometheus_client import Counter, Gauge, Histogram

OUTBOX_PUBLISHED = Counter("deskfactor_outbox_published_total", "Messages published, by how it ended.", ["outcome"])
MESSAGES_HANDLED = Counter(
    "deskfactor_messages_handled_total", "Messages handled, by lane, type and outcome.", ["lane", "type", "outcome"]
)
MESSAGE_SECONDS = Histogram("deskfactor_message_handle_seconds", "Time to handle a batch of messages.", ["lane"])
HTTP_SECONDS = Histogram(
    "deskfactor_http_request_duration_seconds", "Time to answer a request.", ["method", "route", "status"]
)
DELIVERIES = Counter("deskfactor_deliveries_total", "Attempts to deliver, by how they ended.", ["channel", "outcome"])
TIMERS_FIRED = Counter("deskfactor_timers_fired_total", "Timers fired, by kind.", ["kind"])
TIMER_LATENESS = Histogram(
    "deskfactor_timer_lateness_seconds",
    "From a timer's instant to its firing.",
    buckets=(0.1, 0.5, 1, 2, 5, 10, 60, 600),
)
AUDIT_ENTRIES = Counter("deskfactor_audit_entries_total", "Entries appended to the audit log.")
DEAD_LETTERS = Counter("deskfactor_dead_letters_total", "Messages set aside, by lane.", ["lane"])
CLOCK_DIFFERENCE = Gauge(
    "deskfactor_clock_difference_seconds",
    "The database's clock minus this machine's, as far as the round trip does not explain it.",
)
DEPENDENCY_UP = Gauge("deskfactor_dependency_up", "Whether a dependency answers.", ["dependency"])
