"""What the calls take in which an admin opens somebody else's account."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from services.gateway.api.bodies import FactorBody
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


class SetUpBody(FactorBody):
    """A factor to enrol, by the account itself or, with `actor` and `reason`, by an admin for an account without one.

    An admin names no `destination`, `proof` or `replaces`: codes go to the account's own address or number.
    """

    actor: AccountId | None = None
    actor_proof: UUID | None = None
    approver: AccountId | None = None
    approver_proof: UUID | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def _by_the_account_or_by_an_admin(self) -> Self:
        of_admin = (self.reason, self.actor_proof, self.approver, self.approver_proof)
        of_account = (self.destination, self.proof, self.replaces)
        if self.actor is None and any(each is not None for each in of_admin):
            raise ValueError("`reason`, `actor_proof`, `approver` and `approver_proof` go with an `actor`")
        if self.actor is not None and self.reason is None:
            raise ValueError("an `actor` gives a `reason`")
        if self.actor is not None and any(each is not None for each in of_account):
            raise ValueError("an `actor` gives no `destination`, `proof` or `replaces`")
        if self.approver_proof is not None and self.approver is None:
            raise ValueError("`approver_proof` is the proof of an `approver`")
        return self

    def acting(self) -> Acting | None:
        """As commands carry it; None: the account enrols by itself."""
        if self.actor is None:
            return None
        return Acting(
            actor=self.actor,
            proof=ChallengeId(self.actor_proof) if self.actor_proof else None,
            approver=self.approver,
            approver_proof=ChallengeId(self.approver_proof) if self.approver_proof else None,
        )
