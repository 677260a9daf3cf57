"""The mail adapter against a real SMTP server that can be told to fail at every point of a session."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from services.cli.simulators.mailbox import Mailbox, Phase
from services.notifier.adapters.smtp import SmtpSender, SmtpSettings
from services.notifier.domain.delivery import Accepted, Misconfigured, Refused, SendOutcome, Unknown
from services.notifier.domain.message import RenderedEmail
from services.notifier.settings import TlsMode
from shared.secret import Secret
from tests.support.certificates import self_signed
from tests.support.eventually import eventually

PERSON = Secret("person@example.test")
MAIL = RenderedEmail(
    subject="123456 is your Grüße code",
    text="Grüße\n.a line that begins with a dot\n" + "long " * 300 + "\n",
    html="<p>Grüße, <b>123456</b></p>\n",
)
SOON = dt.timedelta(seconds=15)
AT_ONCE = dt.timedelta(seconds=1)  # ample for a whole exchange, unless the machine is very busy


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    """A mail server of this test's own."""
    async with Mailbox() as server:
        yield server


@pytest.fixture
async def sender(mailbox: Mailbox) -> AsyncIterator[SmtpSender]:
    """The adapter, pointed at that server."""
    async with SmtpSender(settings(mailbox)) as client:
        yield client


def settings(
    mailbox: Mailbox,
    *,
    tls: TlsMode = TlsMode.NONE,
    ca_file: Path | None = None,
    password: str | None = None,
    timeout: dt.timedelta = SOON,
    connections: int = 4,
    idle: dt.timedelta = SOON,
) -> SmtpSettings:
    """What leads to ``mailbox``."""
    return SmtpSettings(
        host=mailbox.host,
        port=mailbox.port,
        sender="no-reply@desk.test",
        sender_name="Desk",
        tls=tls,
        ca_file=str(ca_file) if ca_file else None,
        username="desk" if password else None,
        password=Secret(password) if password else None,
        timeout=timeout,
        connections=connections,
        idle=idle,
    )


async def send(
    sender: SmtpSender, *, to: Secret[str] = PERSON, message_id: str = "0190-a", deadline: dt.timedelta = SOON
) -> SendOutcome:
    """Send the one mail that all these tests send."""
    return await sender.send(MAIL, to=to, message_id=message_id, deadline=deadline)


async def test_a_mail_arrives_as_it_was_rendered(mailbox: Mailbox, sender: SmtpSender) -> None:
    """Umlauts, long lines and leading dots are where mail breaks, and the code is among them."""
    outcome = await send(sender)

    assert outcome == Accepted(provider_id="1")
    (mail,) = mailbox.messages
    assert (mail.to, mail.sender) == ("person@example.test", "no-reply@desk.test")
    assert (mail.subject, mail.text, mail.html) == (MAIL.subject, MAIL.text, MAIL.html)
    assert mail.headers["From"] == "Desk <no-reply@desk.test>"
    assert mail.headers["Auto-Submitted"] == "auto-generated"


async def test_a_second_try_bears_the_same_message_id(mailbox: Mailbox, sender: SmtpSender) -> None:
    """After an unknown outcome the mail may be there twice; one Message-ID lets a mailbox show it once."""
    await send(sender, message_id="0190-b")
    await send(sender, message_id="0190-b")

    assert [mail.headers["Message-ID"] for mail in mailbox.messages] == ["<0190-b@desk.test>"] * 2


async def test_the_tenants_name_stands_in_from(mailbox: Mailbox, sender: SmtpSender) -> None:
    """The person knows the helpdesk, not the machine that writes for it."""
    await sender.send(MAIL, to=PERSON, message_id="0190-c", deadline=SOON, sender_name="Ümlaut, Desk & Co")

    assert mailbox.messages[0].headers["From"] == '"Ümlaut, Desk & Co" <no-reply@desk.test>'


async def test_connections_are_kept_and_bounded(mailbox: Mailbox) -> None:
    """A connection a mail would cost three round trips each, and unbounded ones get us throttled."""
    async with SmtpSender(settings(mailbox, connections=3)) as sender:
        outcomes = await asyncio.gather(*(send(sender, message_id=f"0190-{each}") for each in range(20)))

    assert all(isinstance(each, Accepted) for each in outcomes)
    assert len(mailbox.messages) == 20
    assert mailbox.connections == 3


async def test_a_connection_that_died_while_idle_is_replaced(mailbox: Mailbox, sender: SmtpSender) -> None:
    """Servers hang up on idle clients; that must not cost the next person a try."""
    await send(sender)
    await mailbox.stop()
    await mailbox.start()

    assert isinstance(await send(sender), Accepted)
    assert mailbox.connections == 2


async def test_a_server_that_hangs_up_between_mails_costs_nobody_a_try(mailbox: Mailbox, sender: SmtpSender) -> None:
    """Whether a kept connection lives shows only when it is used: every dead one is passed over, and the mail goes."""
    await asyncio.gather(*(send(sender, message_id=f"0190-{each}") for each in range(4)))
    mailbox.hang_up()
    await eventually(count_open(mailbox), lambda count: count == 0)

    assert isinstance(await send(sender), Accepted)
    assert len(mailbox.messages) == 5
    assert mailbox.connections == 5


async def test_a_server_that_takes_so_many_mails_a_connection_gets_another_one(
    mailbox: Mailbox, sender: SmtpSender
) -> None:
    """It says 421 at the next mail, of which it knows nothing yet: that is no refusal of the mail."""
    mailbox.most_mails = 2
    outcomes = [await send(sender, message_id=f"0190-{each}") for each in range(5)]

    assert all(isinstance(each, Accepted) for each in outcomes)
    assert mailbox.connections == 3
    await eventually(count_open(mailbox), lambda count: count == 1)


async def test_a_connection_is_left_before_most_servers_would_end_it(mailbox: Mailbox, sender: SmtpSender) -> None:
    """A hundred mails in one session is where many stop: a new one is begun in time, the old one ended politely."""
    outcomes = [await send(sender, message_id=f"0190-{each}") for each in range(51)]

    assert all(isinstance(each, Accepted) for each in outcomes)
    assert mailbox.connections == 2
    await eventually(count_open(mailbox), lambda count: count == 1)


async def test_an_idle_connection_is_given_up(mailbox: Mailbox) -> None:
    """A server has a place for so many: whoever has nothing to send takes none."""
    async with SmtpSender(settings(mailbox, idle=dt.timedelta(milliseconds=50))) as sender:
        assert isinstance(await send(sender), Accepted)
        await eventually(count_open(mailbox), lambda count: count == 0)
        assert isinstance(await send(sender), Accepted)

    assert mailbox.connections == 2


async def test_a_mail_after_another_says_only_what_it_must(mailbox: Mailbox, sender: SmtpSender) -> None:
    """Each command is a round trip to a server that may be far away."""
    await send(sender)
    mailbox.commands.clear()
    await send(sender)

    assert list(mailbox.commands) == ["MAIL", "RCPT", "DATA"]


async def test_at_the_end_every_connection_is_closed(mailbox: Mailbox) -> None:
    """Also those that are kept."""
    async with SmtpSender(settings(mailbox)) as sender:
        await asyncio.gather(*(send(sender, message_id=f"0190-{each}") for each in range(4)))

    await eventually(count_open(mailbox), lambda count: count == 0)


def count_open(mailbox: Mailbox) -> Callable[[], Awaitable[int]]:
    """How many connections the server has."""

    async def count() -> int:
        return mailbox.open_connections

    return count


async def test_a_refused_mail_leaves_its_connection_clean(mailbox: Mailbox, sender: SmtpSender) -> None:
    """The envelope of a refused mail must not become part of the next one."""
    mailbox.refuse(Phase.DATA, "452 4.3.1 full")
    await send(sender, to=Secret("first@example.test"))
    mailbox.refuse(Phase.DATA, None)

    assert isinstance(await send(sender, to=Secret("second@example.test")), Accepted)
    assert [mail.to for mail in mailbox.messages] == ["second@example.test"]
    assert mailbox.connections == 1


@pytest.mark.parametrize(
    ("phase", "answer", "expected"),
    [
        (Phase.RCPT, "550 5.1.1 <person@example.test> unknown", Refused(code="550 5.1.1", is_permanent=True)),
        (Phase.RCPT, "550 no such user person@example.test", Refused(code="550", is_permanent=True)),
        (Phase.RCPT, "450 4.2.0 greylisted", Refused(code="450 4.2.0", is_permanent=False)),
        (Phase.RCPT, "421 4.7.0 too many", Refused(code="421 4.7.0", is_permanent=False)),
        (Phase.RCPT, "554 5.7.1 Relay access denied", Misconfigured(reason="relaying_denied")),
        (Phase.RCPT, "530 5.7.0 login first", Misconfigured(reason="authentication")),
        (Phase.MAIL, "451 4.3.0 later", Refused(code="451 4.3.0", is_permanent=False)),
        (Phase.MAIL, "552 5.3.4 too large", Refused(code="552 5.3.4", is_permanent=True)),
        (Phase.MAIL, "553 5.7.1 not your address", Misconfigured(reason="sender_refused")),
        (Phase.DATA, "554 5.6.0 unwanted", Refused(code="554 5.6.0", is_permanent=True)),
        (Phase.DATA, "451 4.3.0 later", Refused(code="451 4.3.0", is_permanent=False)),
        (Phase.DATA, "999 what", Unknown(reason="bad_answer")),
        (Phase.GREETING, "421 4.3.2 closing", Refused(code="421 4.3.2", is_permanent=False)),
        (Phase.GREETING, "554 5.7.1 blocked", Misconfigured(reason="not_welcome")),
    ],
)
async def test_each_answer_has_its_outcome(
    mailbox: Mailbox, sender: SmtpSender, phase: Phase, answer: str, expected: SendOutcome
) -> None:
    """The outcome decides whether a person gets a code later, never, or an operator gets woken."""
    mailbox.refuse(phase, answer)

    outcome = await send(sender)

    assert outcome == expected
    assert "person" not in repr(outcome)


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (Phase.GREETING, Refused(code="connect", is_permanent=False)),
        (Phase.MAIL, Refused(code="disconnected", is_permanent=False)),
        (Phase.RCPT, Refused(code="disconnected", is_permanent=False)),
        (Phase.DATA, Unknown(reason="disconnected")),
    ],
)
async def test_a_lost_connection_is_unknown_only_after_the_mail_was_sent(
    mailbox: Mailbox, sender: SmtpSender, phase: Phase, expected: SendOutcome
) -> None:
    """Before DATA a new try is free; after it the mail may be on its way."""
    mailbox.drop = phase

    assert await send(sender) == expected


async def test_a_server_that_is_down_is_a_passing_fault(mailbox: Mailbox, sender: SmtpSender) -> None:
    """A restart of the mail server must not lose a code for good."""
    await mailbox.stop()

    assert await send(sender) == Refused(code="connect", is_permanent=False)


async def test_silence_after_the_mail_is_unknown(mailbox: Mailbox) -> None:
    """The server has it and may deliver it: only one more try is allowed."""
    mailbox.stall_in_data = True

    async def attempt(timeout: dt.timedelta) -> SendOutcome:
        async with SmtpSender(settings(mailbox, timeout=timeout)) as sender:
            return await send(sender)

    assert await in_time_to_hand_it_over(mailbox, attempt) == Unknown(reason="timeout")
    assert len(mailbox.messages) == 1


async def in_time_to_hand_it_over(
    mailbox: Mailbox, attempt: Callable[[dt.timedelta], Awaitable[SendOutcome]]
) -> SendOutcome:
    """What becomes of a mail in the first time limit in which a busy machine gets as far as that."""
    outcome = await attempt(AT_ONCE)
    for longer in (4 * AT_ONCE, 15 * AT_ONCE):
        if not mailbox.messages:
            outcome = await attempt(longer)
    return outcome


async def test_the_deadline_ends_an_exchange_at_any_point(mailbox: Mailbox, sender: SmtpSender) -> None:
    """A lease on the delivery ends; whoever takes it over must not meet us still sending."""
    mailbox.stall_in_data = True
    stalled = await in_time_to_hand_it_over(mailbox, lambda deadline: send(sender, deadline=deadline))
    assert stalled == Unknown(reason="timeout")

    mailbox.answer_delay = 5.0
    assert await send(sender, deadline=AT_ONCE) == Refused(code="timeout", is_permanent=False)


async def test_a_slow_server_still_gets_its_mail(mailbox: Mailbox, sender: SmtpSender) -> None:
    """Six answers make a mail; a server that takes its time for each is slow, not down."""
    mailbox.answer_delay = 0.3

    assert isinstance(await send(sender), Accepted)


async def test_an_answer_that_came_too_late_is_not_taken_for_the_next_mails(
    mailbox: Mailbox, sender: SmtpSender
) -> None:
    """A connection that is a reply behind would report one person's refusal as another's success."""
    mailbox.stall_in_data = True
    await send(sender, deadline=AT_ONCE)
    mailbox.stall_in_data = False
    mailbox.refuse_recipients(550)

    assert await send(sender) == Refused(code="550", is_permanent=True)


async def test_waiting_for_a_free_connection_counts_against_the_deadline(mailbox: Mailbox) -> None:
    """A stuck server must not make the callers queue without end."""
    mailbox.stall_in_data = True
    async with SmtpSender(settings(mailbox, connections=1)) as sender:
        stuck = asyncio.create_task(send(sender))
        await mailbox.wait_for(lambda _: True)

        assert await send(sender, deadline=AT_ONCE) == Refused(code="timeout", is_permanent=False)
        await mailbox.stop()
        assert await stuck == Unknown(reason="disconnected")


async def test_wrong_credentials_stop_the_channel() -> None:
    """Every mail would fail alike: counting tries would turn a typo in a setting into lost codes."""
    async with Mailbox(accounts={"desk": "right"}) as mailbox:
        async with SmtpSender(settings(mailbox, password="wrong")) as sender:
            assert await send(sender) == Misconfigured(reason="authentication")
        async with SmtpSender(settings(mailbox, password="right")) as sender:
            assert isinstance(await send(sender), Accepted)


async def test_starttls_is_never_given_up(mailbox: Mailbox) -> None:
    """Somebody on the wire who strips STARTTLS must get no mail, least of all a password."""
    async with SmtpSender(settings(mailbox, tls=TlsMode.STARTTLS)) as sender:
        assert await send(sender) == Misconfigured(reason="starttls_or_auth_not_offered")


@pytest.mark.parametrize("mode", [TlsMode.STARTTLS, TlsMode.TLS])
async def test_only_a_trusted_certificate_gets_the_mail(mode: TlsMode, tmp_path: Path) -> None:
    """Without this check TLS hides the codes from everybody but the attacker."""
    context, trusted = self_signed(tmp_path)
    async with Mailbox(tls=context, is_tls_from_start=mode is TlsMode.TLS, accounts={"desk": "right"}) as mailbox:
        async with SmtpSender(settings(mailbox, tls=mode, password="right")) as sender:
            assert await send(sender) == Misconfigured(reason="tls_certificate")
        async with SmtpSender(settings(mailbox, tls=mode, password="right", ca_file=trusted)) as sender:
            assert isinstance(await send(sender), Accepted)

    assert len(mailbox.messages) == 1


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "two@example.test, other@example.test",
        "a b@example.test",
        "x@example.test\r\nRCPT TO:<y@z>",
        "x@" + "a" * 70,
    ],
)
async def test_what_is_no_address_is_refused_for_good(mailbox: Mailbox, sender: SmtpSender, address: str) -> None:
    """An address comes from outside: it must not become a second recipient or another command."""
    assert await send(sender, to=Secret(address)) == Refused(code="address", is_permanent=True)
    assert mailbox.connections == 0


@pytest.mark.parametrize(
    ("address", "envelope"),
    [("person@bücher.example", "person@xn--bcher-kva.example"), ("pelé@example.test", "pelé@example.test")],
)
async def test_addresses_beyond_ascii_work(mailbox: Mailbox, sender: SmtpSender, address: str, envelope: str) -> None:
    """Domains with umlauts are common; local parts need the server's SMTPUTF8 (RFC 6531)."""
    assert isinstance(await send(sender, to=Secret(address)), Accepted)
    assert mailbox.messages[0].to == envelope


def test_a_password_needs_tls() -> None:
    """A slip in the settings must not send the password readable across a network."""
    with pytest.raises(ValueError, match="TLS"):
        SmtpSettings(host="mail.example", port=25, sender="a@b.test", tls=TlsMode.NONE, username="a")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])  # noqa: S104
def test_the_mailbox_listens_on_loopback_only(host: str) -> None:
    """It shows codes to whoever asks."""
    with pytest.raises(ValueError, match="loopback"):
        Mailbox(host=host)


def test_the_mailbox_refuses_production(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator in production would swallow every code."""
    monkeypatch.setenv("DESKFACTOR_ENV", "production")

    with pytest.raises(RuntimeError, match="production"):
        Mailbox()
