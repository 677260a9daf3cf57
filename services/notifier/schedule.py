"""What the notifier does every so often."""

import datetime as dt

from services.notifier.deps import Deps
from services.notifier.handlers.outcomes import release_expired
from services.notifier.handlers.webhook_outcomes import release_webhooks
from services.notifier.queries.sandbox import purge_messages
from shared.schedule import Every


async def forget_sandbox_messages(deps: Deps) -> bool:
    """Delete what sandbox tenants were sent more than a week ago."""
    async with deps.database.transaction(work_queues=True) as conn:
        await purge_messages(conn)
    return False


SCHEDULE = (
    Every(dt.timedelta(seconds=10), release_expired),
    Every(dt.timedelta(seconds=10), release_webhooks),
    Every(dt.timedelta(hours=1), forget_sandbox_messages),
)
