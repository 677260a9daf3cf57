"""What the calls about webhooks take."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from services.gateway.api.fields import ByProvenAdmin, Page, Url
from shared.contracts.codec import EVENTS
from shared.contracts.types import WebhookState

_NOUNS = frozenset(each.partition(".")[0] for each in EVENTS)


def _known(filter_: str) -> str:
    """A misspelt event would never come, and nobody would notice."""
    noun, _, rest = filter_.partition(".")
    if filter_ == "*" or filter_ in EVENTS or (rest == "*" and noun in _NOUNS):
        return filter_
    raise ValueError("no event is called so; give a type such as `login.decided`, `login.*` or `*`")


EventFilter = Annotated[str, StringConstraints(pattern=r"^[a-z_.*]{1,60}$"), AfterValidator(_known)]
EventFilters = Annotated[tuple[EventFilter, ...], Field(min_length=1, max_length=100)]
Description = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]*$", max_length=200)]


class WebhookEndpointBody(ByProvenAdmin):
    """Where events go, and which: types, `noun.*` or `*`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "url": "https://desk.acme.example/deskfactor",
                    "description": "Production",
                    "events": ["login.decided", "factor.*", "enforcement.locked_out"],
                }
            ]
        }
    )

    url: Url
    description: Description = ""
    events: EventFilters = ("*",)


class WebhookChangeBody(ByProvenAdmin):
    """What is to be another. `enabled`: on again, after it was disabled, or off."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": True}]})

    url: Url | None = None
    description: Description | None = None
    events: EventFilters | None = None
    enabled: bool | None = None


class WebhookDeliveriesQuery(Page):
    """Newest first."""

    state: WebhookState | None = None
