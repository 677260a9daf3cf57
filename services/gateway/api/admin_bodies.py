"""What the calls take in which an admin opens somebody else's account."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from services.gateway.api.bodies import FactorBody
from services.gateway.api.fields import ByProvenAdmins, Reason
from shared.contracts.types import AccountId, Acting


class ByTwoAdmins(ByProvenAdmins):
    """An admin's action that opens an account, and the second admin who approves it.

    `reason` goes into the audit log. The proofs are challenges of the two: purpose `step_up`, at most ten minutes old.
    """

    actor: AccountId
    reason: Reason

    def acting(self) -> Acting:
        """As commands carry it."""
        acting = super().acting()
        assert acting is not None
        return acting


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


class SetUpBody(FactorBody, ByProvenAdmins):
    """A factor to enrol, by the account itself or, with `actor` and `reason`, by an admin for an account without one.

    An admin names no `destination`, `proof` or `replaces`: codes go to the account's own address or number.
    """

    reason: Reason | None = None

    @model_validator(mode="after")
    def _by_the_account_or_by_an_admin(self) -> Self:
        if self.actor is None and self.reason is not None:
            raise ValueError("a `reason` goes with an `actor`")
        if self.actor is not None and self.reason is None:
            raise ValueError("an `actor` gives a `reason`")
        of_account = (self.destination, self.proof, self.replaces)
        if self.actor is not None and any(each is not None for each in of_account):
            raise ValueError("an `actor` gives no `destination`, `proof` or `replaces`")
        return self
