"""What a step-up proves, and until when."""

import datetime as dt
from dataclasses import replace
from uuid import UUID

import pytest

from services.otp_worker.domain.account import AccountState, without_proofs
from services.otp_worker.domain.challenge import Challenge
from services.otp_worker.domain.enrolment import still_proves
from services.otp_worker.domain.factor import Factor
from shared.contracts.types import ChallengeId, ChallengeState, FactorId, FactorState, FactorType, Purpose

NOW = dt.datetime(2027, 1, 31, 9, 30, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
APP = Factor(
    id=FactorId(UUID(int=1)), type=FactorType.TOTP, state=FactorState.ACTIVE, name="Authenticator app", created_at=NOW
)
BY_CODE = Challenge(
    id=ChallengeId(UUID(int=7)),
    account_id="ann",
    purpose=Purpose.STEP_UP,
    state=ChallengeState.VERIFIED,
    context="",
    created_at=NOW,
    expires_at=NOW + 600 * SECOND,
    verified_at=NOW,
    verified_by="backup_code",
)
BY_APP = replace(BY_CODE, verified_by="totp", verified_factor_id=APP.id)


@pytest.mark.parametrize("state", [FactorState.ACTIVE, FactorState.SUSPENDED])
def test_a_factor_proves_as_long_as_it_is_held(state: FactorState) -> None:
    """New codes and other factors change nothing about it; only its own end does."""
    after = AccountState(proofs_from=NOW + SECOND)
    assert still_proves(BY_APP, after, [replace(APP, state=state)])
    assert not still_proves(BY_APP, AccountState(), [replace(APP, id=FactorId(UUID(int=2)))])
    assert not still_proves(BY_APP, AccountState(), [])


@pytest.mark.parametrize(("seconds", "holds"), [(-1, True), (0, False), (1, False)])
def test_a_code_proves_until_the_codes_are_void(seconds: int, holds: bool) -> None:  # noqa: FBT001
    """Void at the very instant of the proof is void: which of the two came first, nobody knows."""
    assert still_proves(BY_CODE, AccountState(proofs_from=NOW + seconds * SECOND), []) is holds
    assert still_proves(BY_CODE, AccountState(), [])


def test_who_replaced_what_proved_it_goes_on_until_all_is_taken_down() -> None:
    """One challenge is carried over, not those of others; and a reset carries none."""
    carried = AccountState(proofs_from=NOW + SECOND, carried_proof_id=BY_CODE.id)
    assert still_proves(BY_CODE, carried, [])
    assert still_proves(BY_APP, carried, [])
    assert not still_proves(replace(BY_APP, id=ChallengeId(UUID(int=8))), carried, [])
    assert not still_proves(BY_CODE, without_proofs(carried, NOW + SECOND), [])
