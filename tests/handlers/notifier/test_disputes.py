"""The link "this was not me": in every security notice, believed only with its own token, said once, for 30 days."""

import datetime as dt
import re
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from shared.contracts import events
from shared.contracts.commands import DisputeNotice, ReadNotice, SendEmail, SendSms
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import PARAMS, WITHOUT_DISPUTE, Notification
from shared.contracts.replies import NoticeView, RefusalCode
from shared.contracts.types import Channel, DeliveryId
from shared.crypto.sealing import seal, typed_place
from shared.ids import new_id
from shared.secret import Secret
from tests.handlers.notifier.conftest import ADDRESS, NUMBER, Desk, OpenDesk
from tests.support.tenants import new_tenant

AT = dt.datetime(2027, 3, 4, 16, 6, tzinfo=dt.UTC)
SECURITY = [each for each in Notification if each not in WITHOUT_DISPUTE]

_LINK = re.compile(r"https?://\S+/not-me\?\S+")
_REQUIRED = {
    "deadline": AT,
    "days": 7,
    "left": dt.timedelta(days=4),
    "happens_at": AT,
    "expires_at": AT,
}


def by_mail(desk: Desk, notification: Notification, **more: object) -> Envelope[SendEmail]:
    """A notice to ann's mailbox."""
    data = SendEmail.model_validate(
        _command(notification, **more) | {"destination": desk.contact(Channel.EMAIL, ADDRESS)}
    )
    return desk._envelope(data)


def by_sms(desk: Desk, notification: Notification) -> Envelope[SendSms]:
    """A notice to ann's phone."""
    data = SendSms.model_validate(_command(notification) | {"destination": desk.contact(Channel.SMS, NUMBER)})
    return desk._envelope(data)


def _command(notification: Notification, **more: object) -> dict[str, object]:
    fields = PARAMS[notification].model_fields
    params = {name: value for name, value in _REQUIRED.items() if name in fields and fields[name].is_required()}
    given = PARAMS[notification].model_validate({"tenant_name": "Acme", "happened_at": AT, **params})
    content = given.model_dump(mode="json", exclude_none=True)
    return {"delivery_id": DeliveryId(new_id()), "notification": notification, "params": content, **more}


def token_in(text: str, delivery_id: UUID) -> str:
    """The token of the link in a message, which must be the delivery's."""
    found = _LINK.search(text)
    assert found is not None, text
    query = {name: value for name, [value] in parse_qs(urlsplit(found[0]).query).items()}
    assert query["notice"] == str(delivery_id)
    return query["token"]


async def told(
    desk: Desk, notification: Notification = Notification.FACTOR_ADDED, **more: object
) -> tuple[DeliveryId, str]:
    """A notice that has reached the mailbox, and the token of its link."""
    command = by_mail(desk, notification, **more)
    await desk.handle(command)
    delivery_id = command.data.delivery_id
    mail = await desk.mailbox.wait_for(lambda mail: str(delivery_id) in mail.text)
    return delivery_id, token_in(mail.text, delivery_id)


def sealed(desk: Desk, delivery_id: UUID, token: str) -> str:
    """As the gateway hands it on."""
    return seal(desk.deps.seal, Secret(token), typed_place(desk.tenant_id, str(delivery_id), "token"))


async def read(desk: Desk, delivery_id: DeliveryId, token: str) -> NoticeView:
    """What the page shows."""
    asked = ReadNotice(delivery_id=delivery_id, token=sealed(desk, delivery_id, token))
    return NoticeView.model_validate(await desk.ask(asked))


async def dispute(desk: Desk, delivery_id: DeliveryId, token: str) -> NoticeView:
    """The button."""
    asked = DisputeNotice(delivery_id=delivery_id, token=sealed(desk, delivery_id, token))
    return NoticeView.model_validate(await desk.ask(asked))


async def disputes(desk: Desk, delivery_id: UUID) -> list[events.NoticeDisputed]:
    """What was said of it."""
    return [each.data for each in await desk.said(delivery_id) if isinstance(each.data, events.NoticeDisputed)]


@pytest.mark.usefixtures("sending")
async def test_every_security_notice_has_its_link_on_every_channel(desk: Desk) -> None:
    """The one notice without it would be the one that the thief causes."""
    mails = [by_mail(desk, each) for each in SECURITY]
    texts = [by_sms(desk, each) for each in SECURITY]
    await desk.handle(*mails)
    await desk.handle(*texts)
    for mail in mails:
        wanted = str(mail.data.delivery_id)
        received = await desk.mailbox.wait_for(lambda each, wanted=wanted: wanted in each.text)  # type: ignore[misc]
        token_in(received.text, mail.data.delivery_id)
    for text in texts:
        wanted = str(text.data.delivery_id)
        sms = await desk.phones.wait_for(lambda each, wanted=wanted: wanted in each.body)  # type: ignore[misc]
        token_in(sms.body, text.data.delivery_id)


@pytest.mark.usefixtures("sending")
async def test_reading_changes_nothing_and_disputing_is_said_once(desk: Desk) -> None:
    """Scanners of mail read; people press twice."""
    delivery_id, token = await told(desk)
    view = await read(desk, delivery_id, token)
    assert (view.notification, view.language, view.disputed_at) == ("factor_added", "en", None)
    assert view.subject.startswith("A second factor was added")
    assert view.happened_at is not None
    assert "March 4, 2027" in view.happened_at
    assert await disputes(desk, delivery_id) == []
    await dispute(desk, delivery_id, token)
    await dispute(desk, delivery_id, token)
    [said] = await disputes(desk, delivery_id)
    assert (said.notification, said.channel, said.happened_at, said.is_repeated) == ("factor_added", "email", AT, False)
    assert (await read(desk, delivery_id, token)).disputed_at is not None


@pytest.mark.usefixtures("sending")
async def test_a_second_notice_of_the_same_incident_is_a_repetition(desk: Desk) -> None:
    """Who hears of it decides whether once is enough; an hour later it is another incident."""
    first, second, third = [await told(desk), await told(desk), await told(desk)]
    await dispute(desk, *first)
    await dispute(desk, *second)
    await desk.rows(
        "UPDATE notifier.deliveries SET disputed_at = disputed_at - interval '1 hour' WHERE disputed_at IS NOT NULL"
    )
    await dispute(desk, *third)
    said = [(await disputes(desk, delivery_id))[0].is_repeated for delivery_id, _ in (first, second, third)]
    assert said == [False, True, False]


@pytest.mark.usefixtures("sending")
async def test_a_link_is_its_notices_own(desk: Desk, open_desk: OpenDesk) -> None:
    """A token for one notice says nothing of another, of another tenant's, or of what nobody can dispute."""
    delivery_id, token = await told(desk)
    other, _ = await told(desk)
    for wrong in (token[:-2], token.replace("k1.", "k9."), "", "é", "k1"):
        asked = DisputeNotice(delivery_id=delivery_id, token=sealed(desk, delivery_id, wrong))
        assert await desk.refused(asked) is RefusalCode.NOTICE_NOT_FOUND
    stolen = DisputeNotice(delivery_id=other, token=sealed(desk, other, token))
    assert await desk.refused(stolen) is RefusalCode.NOTICE_NOT_FOUND
    elsewhere = open_desk(await new_tenant(desk.dsn))
    theirs = DisputeNotice(delivery_id=delivery_id, token=sealed(elsewhere, delivery_id, token))
    assert await elsewhere.refused(theirs) is RefusalCode.NOTICE_NOT_FOUND
    assert await disputes(desk, delivery_id) == []


async def test_what_was_not_a_security_notice_cannot_be_disputed(desk: Desk) -> None:
    """Even by who could make its token."""
    code = desk.mail()
    await desk.handle(code)
    delivery_id = code.data.delivery_id
    url = desk.deps.dispute_links.url(desk.tenant_id, delivery_id)
    token = parse_qs(urlsplit(url).query)["token"][0]
    asked = ReadNotice(delivery_id=delivery_id, token=sealed(desk, delivery_id, token))
    assert await desk.refused(asked) is RefusalCode.NOTICE_NOT_FOUND


@pytest.mark.usefixtures("sending")
async def test_a_link_ends_after_thirty_days(desk: Desk) -> None:
    """A mailbox of years ago is no lever, and the page says why it does nothing."""
    delivery_id, token = await told(desk)
    age = "UPDATE notifier.deliveries SET queued_at = now() - $2::interval WHERE delivery_id = $1"
    await desk.rows(age, delivery_id, dt.timedelta(days=29, hours=23))
    await read(desk, delivery_id, token)
    await desk.rows(age, delivery_id, dt.timedelta(days=30))
    asked = DisputeNotice(delivery_id=delivery_id, token=sealed(desk, delivery_id, token))
    assert await desk.refused(asked) is RefusalCode.NOTICE_EXPIRED
    assert await disputes(desk, delivery_id) == []


@pytest.mark.usefixtures("sending")
async def test_the_page_is_told_in_the_accounts_own_language_and_zone(desk: Desk) -> None:
    """Who is frightened by a mail must not be asked in another language than it was written in."""
    view = await read(desk, *(await told(desk, language="de-AT", time_zone="Europe/Vienna")))
    assert (view.language, view.subject.startswith("Neuer zweiter Faktor")) == ("de", True)
    assert view.happened_at is not None
    assert "4. März 2027" in view.happened_at
    assert "17:06" in view.happened_at


@pytest.mark.usefixtures("sending")
async def test_the_link_of_somebody_who_has_left_says_nothing_of_who_has_the_id_now(desk: Desk) -> None:
    """An old mail would else end the trust and the recovery of a stranger who was given the same id."""
    delivery_id, token = await told(desk)
    await desk.rows(
        """
        INSERT INTO policy.erasures (tenant_id, account_id, erasure_id, told_at, erased_at, erased_system_at)
        VALUES ($1, 'ann', $2, now(), policy.tenant_now($1), clock_timestamp())
        """,
        desk.tenant_id,
        new_id(),
    )
    await desk.rows(
        "INSERT INTO policy.accounts (tenant_id, account_id, role, created_at) VALUES ($1, 'ann', 'agent', now())",
        desk.tenant_id,
    )
    asked = DisputeNotice(delivery_id=delivery_id, token=sealed(desk, delivery_id, token))
    assert await desk.refused(asked) is RefusalCode.NOTICE_NOT_FOUND
    assert await disputes(desk, delivery_id) == []
