"""Policy put together: asked over its lane it answers, and what it arms fires in the process beside it."""

import datetime as dt
from pathlib import Path

from services.policy.app import serve, serve_timers
from services.policy.settings import PolicySettings
from shared.clock import host_now
from shared.contracts import events
from shared.contracts.codec import encode
from shared.contracts.commands import MoveClock, PutAccount, PutPolicy, Request
from shared.contracts.replies import ClockView
from shared.contracts.types import Role
from shared.messaging.answering import open_answer
from shared.messaging.bus import Exchange, Outgoing
from shared.messaging.postgres_lanes import PostgresLanes
from shared.settings import load_settings
from tests.conftest import DatabaseFor
from tests.handlers.policy.conftest import DAY, EVERYBODY, Service
from tests.support.eventually import eventually


async def test_a_grace_period_passes_with_nobody_watching(
    service: Service, database_for: DatabaseFor, dsn: str, key_dir: Path
) -> None:
    """Requests in, a clock moved, and the lock is announced: consumers and timers need nobody between them."""
    settings = load_settings(PolicySettings, database_url=dsn, key_dir=key_dir)
    database = await database_for("gateway")
    async with serve(settings), serve_timers(settings), PostgresLanes(database, name="test-gateway") as bus:

        async def ask(request: Request, account_id: str | None = None) -> dict[str, object]:
            envelope = service.envelope(request, account_id)
            outgoing = Outgoing(
                message_id=envelope.id,
                exchange=Exchange.COMMANDS,
                routing_key=request.lane,
                body=encode(envelope),
                expires_at=host_now() + dt.timedelta(seconds=30),
            )
            answer = open_answer(service.answers, envelope, await bus.request(request.lane, outgoing))
            assert answer.data is not None
            return answer.data

        await ask(PutAccount(given=("role",), role=Role.AGENT), "ann")
        await ask(PutPolicy(policy=EVERYBODY))
        await eventually(lambda: service.said(events.EnforcementStarted), lambda said: len(said) == 1)
        moved = ClockView.model_validate(await ask(MoveClock(advance_seconds=7 * DAY)))
        assert moved.offset_seconds == 7 * DAY
        await eventually(lambda: service.said(events.EnforcementLockedOut), lambda said: len(said) == 1)
