"""Answers about recoveries."""

import datetime as dt

from shared.contracts.types import ChallengeId, RecoveryId, RecoveryState, Value


class RecoveryView(Value):
    """A recovery request."""

    id: RecoveryId
    state: RecoveryState
    requested_at: dt.datetime
    ready_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    end_reason: str | None = None
    end_note: str | None = None  # an admin's own words, where they refused it
    challenge_id: ChallengeId | None = None  # proves the mailbox, while the state is `draft`
    mailbox: str | None = None  # masked
