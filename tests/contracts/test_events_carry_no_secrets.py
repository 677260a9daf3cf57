"""Events are for anyone: the audit log, webhooks, every tenant's feed. What they cannot hold they cannot leak."""

import enum
from collections.abc import Iterator
from typing import get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from shared.contracts.codec import EVENTS
from shared.contracts.types import Contact, Sealed

_FORBIDDEN = {"code", "seed", "token", "key", "secret", "secrets", "password", "email", "phone", "params", "url"}
_SEALED_PATTERN = next(each.pattern for each in get_args(Sealed)[1:] if hasattr(each, "pattern"))


@pytest.mark.parametrize("event_type", sorted(EVENTS))
def test_an_event_has_no_field_for_a_secret(event_type: str) -> None:
    """A sealed value in the feed would still be somebody's secret, waiting for a key to leak."""
    for name, field in _fields(EVENTS[event_type]):
        assert name not in _FORBIDDEN
        is_word = isinstance(field.annotation, type) and issubclass(field.annotation, enum.Enum)  # a setting's choice
        assert is_word or not name.endswith(("_code", "_token", "_seed", "_secret", "_key", "_url"))
        assert _SEALED_PATTERN not in repr(field)


@pytest.mark.parametrize("event_type", sorted(EVENTS))
def test_an_event_has_no_contact(event_type: str) -> None:
    """Destinations are masked texts in events; an address's digest would let a reader test a guess."""
    assert all(Contact.__name__ not in str(field.annotation) for _, field in _fields(EVENTS[event_type]))


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """All fields of a model and of the models within it."""
    for name, field in model.model_fields.items():
        yield name, field
        for inner in _models(field.annotation):
            yield from _fields(inner)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
