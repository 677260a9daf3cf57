"""What the calls about hosted pages take."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, StringConstraints, model_validator

from services.gateway.api.fields import Body, Token
from services.gateway.prompt.kinds import PromptKind
from shared.contracts.types import AccountId

_CHALLENGE = "01990000-0000-7000-8000-0000000000c1"

ReturnAddress = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
"""Compared with the tenant's `return_urls` as it is, character for character."""

EchoedState = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]+$", max_length=512)]


class PromptSessionBody(Body):
    """A hosted page for one account. `state` comes back with the person, as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "sign_in",
                    "account_id": "ada",
                    "challenge_id": _CHALLENGE,
                    "return_url": "https://help.acme.example/signed-in",
                    "state": "af0ifjsldkj",
                }
            ]
        }
    )

    kind: PromptKind
    account_id: AccountId
    challenge_id: UUID | None = None
    return_url: ReturnAddress
    state: EchoedState | None = None

    @model_validator(mode="after")
    def _challenge_of_a_login(self) -> Self:
        if self.kind is PromptKind.SIGN_IN and self.challenge_id is None:
            raise ValueError("`sign_in` takes the `challenge_id` of a login")
        if self.kind is PromptKind.RECOVERY and self.challenge_id is not None:
            raise ValueError("`recovery` takes no `challenge_id`")
        return self


class RedeemBody(Body):
    """What came home with the browser, in the query of the address that it was sent back to."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"code": "Zm9yLXRoaXMtZXhhbXBsZS1vbmx5LW5vdGhpbmctZWxzZQ", "challenge_id": _CHALLENGE}]
        }
    )

    code: Token
    challenge_id: UUID
