"""What the people of a sandbox were sent, for its developers to read."""

import datetime as dt

import pytest

from services.notifier.schedule import forget_sandbox_messages
from shared.clock import host_now
from shared.contracts.commands import ReadSandboxMessages
from shared.contracts.replies import RefusalCode, SandboxMessages
from tests.handlers.notifier.conftest import ADDRESS, NUMBER, Desk, OpenDesk
from tests.support.tenants import new_tenant

DAY = dt.timedelta(days=1)

pytestmark = pytest.mark.usefixtures("sending")


async def read(desk: Desk, **wanted: object) -> SandboxMessages:
    """A page."""
    return SandboxMessages.model_validate(await desk.ask(ReadSandboxMessages.model_validate(wanted)))


async def test_a_message_is_read_in_clear_and_kept_sealed(desk: Desk) -> None:
    """Codes in clear are what a sandbox is for; the rows stay as unreadable as everybody's."""
    mail, text = desk.mail(code="493817"), desk.text(code="271828")
    await desk.handle(mail)
    await desk.state(mail.data.delivery_id, "accepted")
    await desk.handle(text)
    await desk.state(text.data.delivery_id, "accepted")
    first, second = (await read(desk)).messages
    assert (first.channel, first.to, first.code) == ("email", ADDRESS, "493817")
    assert first.subject is not None
    assert first.subject.startswith("493817")
    assert (second.channel, second.to, second.code, second.subject) == ("sms", NUMBER, "271828", None)
    rows = await desk.rows("SELECT content FROM notifier.sandbox_messages WHERE tenant_id = $1", desk.tenant_id)
    assert not any(secret in row["content"] for row in rows for secret in ("493817", "271828", ADDRESS))


async def test_messages_come_page_by_page(desk: Desk) -> None:
    """A test suite that enrols a thousand people reads all of their codes, each once."""
    commands = [desk.mail(code=f"{number:06}") for number in range(5)]
    await desk.handle(*commands)
    for command in commands:
        await desk.state(command.data.delivery_id, "accepted")
    first = await read(desk, limit=3)
    rest = await read(desk, limit=3, after=first.messages[-1].id)
    assert (first.has_more, rest.has_more) == (True, False)
    assert [each.code for each in (*first.messages, *rest.messages)] == [f"{number:06}" for number in range(5)]
    assert (await read(desk, account_id="ben")).messages == ()


async def test_a_live_tenant_has_none(desk: Desk, open_desk: OpenDesk) -> None:
    """The one call that shows codes must not exist for people who are real."""
    live = open_desk(await new_tenant(desk.dsn, is_sandbox=False))
    assert await live.refused(ReadSandboxMessages()) is RefusalCode.NOT_A_SANDBOX


async def test_messages_are_forgotten_after_a_week_of_system_time(desk: Desk) -> None:
    """However far the sandbox's clock was moved: what is a week old goes, what is new stays."""
    await desk.move_clock(400 * DAY)
    command = desk.mail()
    await desk.handle(command)
    await desk.state(command.data.delivery_id, "accepted")
    [floor] = await desk.rows("SELECT bus.id_floor(now() - interval '8 days') AS id")
    await desk.rows(
        """
        INSERT INTO notifier.sandbox_messages
        SELECT tenant_id, $2, account_id, channel, notification, content, sent_at FROM notifier.sandbox_messages
         WHERE delivery_id = $1
        """,
        command.data.delivery_id,
        floor["id"],
    )
    assert not await forget_sandbox_messages(desk.deps)
    kept = await desk.rows(
        "SELECT delivery_id, sent_at FROM notifier.sandbox_messages WHERE tenant_id = $1", desk.tenant_id
    )
    assert [row["delivery_id"] for row in kept] == [command.data.delivery_id]
    assert kept[0]["sent_at"] > host_now() + 399 * DAY
