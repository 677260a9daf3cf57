"""Notices: every address once, in the person's language, with parameters that the text knows."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from pydantic import ValidationError

from shared.contracts.commands import SendEmail, SendSms
from shared.contracts.notifications import Notification
from shared.contracts.types import Channel, Contact
from shared.rules.notices import Addressee, addressee, notices


def contact(name: str) -> Contact:
    """An address that nobody here can read."""
    return Contact(sealed=f"v1.k1.{name}", masked=name[0], digest=f"k1.{name}")


def person(*, emails: tuple[str, ...] = (), phones: tuple[str, ...] = ()) -> Addressee:
    """Somebody at Acme."""
    return addressee(
        emails=[contact(name) for name in emails],
        phones=[None, *(contact(name) for name in phones)],
        language="de",
        time_zone="Europe/Berlin",
        tenant_name="Acme",
        tenant_colour="#112233",
    )


def ids() -> Iterator[UUID]:
    """Ids that differ."""
    return (UUID(int=number) for number in range(1, 100))


def test_every_address_hears_once() -> None:
    """The account's address and the factor's are often the same one."""
    told = notices(
        person(emails=("ann", "old", "ann"), phones=("phone", "phone")),
        Notification.BACKUP_CODES_LOW,
        {"left": 3},
        new_id=ids().__next__,
    )
    assert [(type(each), each.destination.digest) for each in told] == [
        (SendEmail, "k1.ann"),
        (SendEmail, "k1.old"),
        (SendSms, "k1.phone"),
    ]
    assert len({each.delivery_id for each in told}) == 3
    assert {(each.language, each.time_zone) for each in told} == {("de", "Europe/Berlin")}
    assert told[0].params == {"tenant_name": "Acme", "tenant_colour": "#112233", "left": 3}


def test_nobody_to_tell_is_nothing_to_say() -> None:
    """An account without addresses is no error."""
    assert notices(person(), Notification.LOCKED_OUT, new_id=ids().__next__) == []


def test_a_parameter_that_the_text_does_not_know_fails_its_author() -> None:
    """Found where it is written, and not by the person who gets half a sentence."""
    with pytest.raises(ValidationError):
        notices(person(emails=("ann",)), Notification.LOCKED_OUT, {"left": 3}, new_id=ids().__next__)


def test_parameters_may_differ_by_channel() -> None:
    """Each channel has its own link to cancel, so that one tells which was read."""
    told = notices(
        person(emails=("ann",), phones=("phone",)),
        Notification.FAILED_ATTEMPTS,
        lambda channel: {"attempts": 5 if channel is Channel.EMAIL else 6},
        new_id=ids().__next__,
    )
    assert [each.params["attempts"] for each in told] == [5, 6]
