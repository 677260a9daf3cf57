"""What the calls take in which an admin opens somebody else's account."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from services.gateway.api.fields import Body, Reason
from shared.contracts.types import AccountId, Acting, ChallengeId


class ByTwoAdmins(Body):
    """An admin's action that opens an account, and the second admin who approves it.

    `reason` goes into the audit log. The proofs are challenges of the two: purpose `step_up`, at most ten minutes old.
    """

    actor: AccountId
    actor_proof: UUID | None = None
    approver: AccountId | None = None
    approver_proof: UUID | None = None
    reason: Reason

    @model_validator(mode="after")
    def _somebodys_proof(self) -> Self:
        if self.approver_proof is not None and self.approver is None:
            raise ValueError("`approver_proof` is the proof of an `approver`")
        return self

    def acting(self) -> Acting:
        """As commands carry it."""
        return Acting(
            actor=self.actor,
            proof=ChallengeId(self.actor_proof) if self.actor_proof else None,
            approver=self.approver,
            approver_proof=ChallengeId(self.approver_proof) if self.approver_proof else None,
        )


class ResetBody(ByTwoAdmins):
    """Who takes the second factors off, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"actor": "grace", "reason": "Lost phone, identity checked by video call"}]}
    )


class RecoveryCodeBody(ByTwoAdmins):
    """Who makes the code, why, and for how many minutes it is good."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"actor": "grace", "reason": "New phone, called back", "minutes": 60}]}
    )

    minutes: Annotated[int, Field(ge=5, le=24 * 60)] = 60
