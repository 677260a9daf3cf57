"""Recoveries as policy is asked for them."""

from shared.contracts import events
from shared.contracts.commands import Notify, SendEmail, StartRecovery
from shared.contracts.replies import RecoveryView
from shared.contracts.types import Channel, Method, Purpose
from tests.handlers.policy.conftest import Service


async def start(service: Service) -> RecoveryView:
    """Ask for a recovery."""
    return RecoveryView.model_validate(await service.ask(StartRecovery()))


async def prove(service: Service) -> RecoveryView:
    """Ask for a recovery and prove the mailbox."""
    draft = await start(service)
    assert draft.challenge_id is not None
    await service.hear(
        events.ChallengeVerified(
            challenge_id=draft.challenge_id, purpose=Purpose.RECOVERY, method=Method.EMAIL, recovery_id=draft.id
        )
    )
    return await service.recovery()


def channel_of(notify: Notify) -> Channel:
    """Mail or SMS."""
    return Channel.EMAIL if isinstance(notify, SendEmail) else Channel.SMS
