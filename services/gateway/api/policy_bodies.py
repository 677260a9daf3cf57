"""What the API takes about who must have a second factor: the policy, and what holds for one account alone."""

from typing import Annotated, Self, TypeVar

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from services.gateway.api.fields import ByProvenAdmin, ByProvenAdmins, Instant, Reason, Word
from shared.contracts.policy import AfterGrace, Policy, Requirement
from shared.contracts.types import FactorType

W = TypeVar("W")


def _each_once(words: tuple[W, ...]) -> tuple[W, ...]:
    if len(set(words)) < len(words):
        raise PydanticCustomError("given_twice", "Each at most once")
    return words


class EnforcementBody(ByProvenAdmins):
    """What holds for this account alone: `required` of it, exempt, or with more time than the policy gives.

    An omitted member stays as it is; `null` ends an exemption or an extension, with a day's notice.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"required": True, "reason": "Works with the payroll from now on"}]}
    )

    required: bool = False
    exempt_until: Instant | None = None
    extended_until: Instant | None = None
    reason: Reason

    @model_validator(mode="after")
    def _something_to_change(self) -> Self:
        if not self.given():
            raise ValueError("give `required`, `exempt_until` or `extended_until`")
        return self

    def given(self) -> tuple[str, ...]:
        """The members that the body held."""
        return tuple(name for name in ("required", "exempt_until", "extended_until") if name in self.model_fields_set)


class EnforcementQuery(ByProvenAdmins):
    """Why only the policy holds again."""

    reason: Reason


class PolicyFields(Policy):
    """The whole policy."""

    methods: Annotated[tuple[FactorType, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True})] = (
        Policy().methods
    )
    grace_until: Instant | None = None
    trusted_idps: Annotated[tuple[Word, ...], Field(max_length=50)] = ()

    @field_validator("methods")
    @classmethod
    def _can_be_enrolled(cls, methods: tuple[FactorType, ...]) -> tuple[FactorType, ...]:
        if FactorType.WEBAUTHN in methods:
            raise PydanticCustomError("method_not_available", "`webauthn` cannot be enrolled yet")
        return _each_once(methods)

    @field_validator("required")
    @classmethod
    def _roles_once(cls, required: Requirement) -> Requirement:
        _each_once(required.roles)
        return required

    @model_validator(mode="after")
    def _time_to_enrol(self) -> Self:
        """Who is new would be locked out before their first login."""
        if self.after_grace is AfterGrace.LOCK_OUT and not self.grace_days and self.grace_until is None:
            raise PydanticCustomError(
                "no_time_to_enrol", "Without a day of grace nobody could enrol first: `after_grace` is `enrol` then"
            )
        return self

    def policy(self) -> Policy:
        """What is stored."""
        return Policy.model_validate(self.model_dump(include=set(Policy.model_fields)))


class PolicyBody(PolicyFields, ByProvenAdmin):
    """The whole policy, in place of the one before: a member that is left out has its default again. Who changes one
    member sends all that `GET /v1/policy` says.

    `immediately`: a deadline that comes nearer leaves nobody the 24 hours that it else does. `force`: save it though no
    active admin has a factor, signs in through SSO or is exempt.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"required": {"scope": "roles", "roles": ["agent", "admin"]}, "grace_days": 7}]}
    )

    immediately: bool = False
    force: bool = False


class PreviewBody(ByProvenAdmin):
    """A policy that may be saved later; `immediately` as there."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"policy": {"required": {"scope": "all"}, "grace_days": 7}}]}
    )

    policy: PolicyFields
    immediately: bool = False
