"""Whom a notice reaches: one command to the notifier for each address, none of them twice."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.contracts.commands import SendEmail, SendSms
from shared.contracts.notifications import PARAMS, Notification
from shared.contracts.types import Channel, Contact, DeliveryId, RecoveryId


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """A person: where notices go, in which language and zone, and in whose name they are written."""

    emails: tuple[Contact, ...]
    phones: tuple[Contact, ...]
    language: str
    time_zone: str
    tenant_name: str
    tenant_colour: str | None = None

    @property
    def contacts(self) -> tuple[tuple[Channel, Contact], ...]:
        """Every address once, mail first: the digest tells equal ones, since nobody here can read them."""
        every = [(Channel.EMAIL, each) for each in self.emails] + [(Channel.SMS, each) for each in self.phones]
        return tuple({(channel, contact.digest): (channel, contact) for channel, contact in every}.values())


def addressee(
    *,
    emails: Iterable[Contact | None],
    phones: Iterable[Contact | None],
    language: str,
    time_zone: str,
    tenant_name: str,
    tenant_colour: str | None = None,
) -> Addressee:
    """An `Addressee` of what is there."""
    return Addressee(
        emails=tuple(contact for contact in emails if contact is not None),
        phones=tuple(contact for contact in phones if contact is not None),
        language=language,
        time_zone=time_zone,
        tenant_name=tenant_name,
        tenant_colour=tenant_colour,
    )


Params = Mapping[str, object]
Seal = Callable[[DeliveryId, str], str]
"""Seals a text to the notifier at the place of a delivery's secrets (`shared.crypto.sealing.secret_param_place`)."""

SECRET_PARAMS = frozenset({"cancel_url", "not_me_url", "download_url"})
"""Links that act hold a token; in a queue or a dead letter they would be anybody's."""


def notices(
    to: Addressee,
    notification: Notification,
    params: Params | Callable[[Channel], Params] = {},  # noqa: B006 - never changed
    *,
    new_id: Callable[[], UUID],
    seal: Seal | None = None,
    recovery_id: RecoveryId | None = None,
) -> list[SendEmail | SendSms]:
    """The commands that tell ``to`` on every channel; `params` may differ by channel, as links to cancel do.

    Parameters are checked here against the notification's model, so that a wrong one fails its author, not the person.
    Raises `pydantic.ValidationError` then. ``seal`` is needed where one of them is among `SECRET_PARAMS`.
    """
    commands = []
    for channel, contact in to.contacts:
        delivery_id = DeliveryId(new_id())
        checked = _checked(to, notification, params(channel) if callable(params) else params)
        secrets = {name: checked.pop(name) for name in SECRET_PARAMS & checked.keys()}
        commands.append(
            _KIND[channel](
                delivery_id=delivery_id,
                notification=notification,
                destination=contact,
                language=to.language,
                time_zone=to.time_zone,
                params=checked,
                secrets=_sealed(seal, delivery_id, secrets),
                recovery_id=recovery_id,
            )
        )
    return commands


_KIND: Mapping[Channel, type[SendEmail] | type[SendSms]] = {Channel.EMAIL: SendEmail, Channel.SMS: SendSms}


def _checked(to: Addressee, notification: Notification, params: Params) -> dict[str, object]:
    letterhead: dict[str, object] = {"tenant_name": to.tenant_name}
    if to.tenant_colour is not None:
        letterhead["tenant_colour"] = to.tenant_colour
    model = PARAMS[notification].model_validate(letterhead | dict(params))
    return model.model_dump(mode="json", exclude_none=True)


def _sealed(seal: Seal | None, delivery_id: DeliveryId, secrets: dict[str, object]) -> str | None:
    if not secrets:
        return None
    if seal is None:
        raise ValueError("a link that holds a token leaves sealed: `seal` is needed")
    return seal(delivery_id, json.dumps(secrets))
