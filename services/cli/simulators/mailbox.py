"""An SMTP server that delivers to a list, and misbehaves when told to."""

import asyncio
import contextlib
import enum
import hmac
import logging
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from typing import AnyStr, Final, Self, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from services.cli.simulators.arrivals import Arrivals
from services.cli.simulators.guard import require_safe
from services.cli.simulators.received_mail import ReceivedMail, read_mail
from shared.clock import host_now

_CLOSE_TIMEOUT: Final = 2.0  # seconds


class Phase(enum.StrEnum):
    """A point of an SMTP session where the server can be made to fail."""

    GREETING = "greeting"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # the whole mail has been sent, the answer is due


class Mailbox:
    """An SMTP server on a free port of 127.0.0.1; a context manager, or `start` and `stop`, again and again.

    What goes wrong is set on the fly: `answer_delay` seconds before each answer; `refuse` answers one phase with a
    code; `drop` hangs up at a phase without a word; `stall_in_data` takes a mail and never says so; `most_mails` of a
    connection are taken, then it is told to go (421).
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        is_tls_from_start: bool = False,
        accounts: Mapping[str, str] | None = None,
    ) -> None:
        require_safe(host)
        self.host = host
        self.port = port
        self.answer_delay = 0.0
        self.drop: Phase | None = None
        self.stall_in_data = False
        self.most_mails: int | None = None
        self.connections = 0
        self.commands: deque[str] = deque(maxlen=100)  # the last of MAIL, RCPT, RSET, DATA
        self.refusals: dict[Phase, str] = {}
        self._tls = tls
        self._is_tls_from_start = is_tls_from_start
        self._accounts = dict(accounts or {})
        self._arrivals: Arrivals[ReceivedMail] = Arrivals()
        self._sessions: set[_Server] = set()
        self._server: asyncio.Server | None = None

    @property
    def messages(self) -> list[ReceivedMail]:
        """What was accepted, oldest first."""
        return self._arrivals.all

    async def wait_for(self, predicate: Callable[[ReceivedMail], bool], timeout: float = 30.0) -> ReceivedMail:
        """The first mail that satisfies ``predicate``; `TimeoutError` after so many seconds."""
        return await self._arrivals.wait_for(predicate, timeout)

    def refuse(self, phase: Phase, answer: str | None) -> None:
        """Give ``answer`` ("451 4.3.0 later") at ``phase`` from now on; ``None``: no longer."""
        if answer is None:
            self.refusals.pop(phase, None)
        else:
            self.refusals[phase] = answer

    def refuse_recipients(self, code: int | None) -> None:
        """Answer RCPT with ``code`` from now on; ``None``: no longer."""
        self.refuse(Phase.RCPT, None if code is None else f"{code} no such recipient here")

    @property
    def open_connections(self) -> int:
        """Those that nobody has ended yet."""
        return len(self._sessions)

    def hang_up(self) -> None:
        """End every connection without a word; the port stays open."""
        for each in list(self._sessions):
            each.hang_up()

    async def start(self) -> None:
        """Listen; after a `stop` on the same port as before."""
        # aiosmtpd logs every line it reads, with the addresses, and warns about its own attributes at each login.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Server(self, None if self._is_tls_from_start else self._tls),
            self.host,
            self.port,
            ssl=self._tls if self._is_tls_from_start else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and hang up on everybody."""
        if self._server is None:
            return
        self._server.close()
        sessions = list(self._sessions)
        for each in sessions:
            each.hang_up()
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            await asyncio.gather(*(each.ended.wait() for each in sessions))
            await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def opened(self, session: "_Server") -> None:
        """A client came."""
        self.connections += 1
        self._sessions.add(session)

    def closed(self, session: "_Server") -> None:
        """It went."""
        self._sessions.discard(session)

    def may_log_in(self, name: bytes, password: bytes) -> bool:
        """Whether these are the name and password of an account."""
        expected = self._accounts.get(name.decode("utf-8", "replace"))
        return expected is not None and hmac.compare_digest(expected.encode(), password)

    async def deliver(self, envelope: Envelope) -> None:
        """Put one mail into the list, once for each recipient."""
        for recipient in envelope.rcpt_tos:
            await self._arrivals.add(
                read_mail(
                    envelope.original_content or b"", to=recipient, sender=envelope.mail_from or "", at=host_now()
                )
            )


class _Server(SMTP):
    """One session. The handler of aiosmtpd's hooks is the session itself."""

    def __init__(self, mailbox: Mailbox, tls: ssl.SSLContext | None) -> None:
        self._mailbox = mailbox
        self._has_greeted = False
        self.mails = 0
        self.ended = asyncio.Event()
        super().__init__(
            _Hooks(self, mailbox),
            hostname="localhost",
            enable_SMTPUTF8=True,
            tls_context=tls,
            auth_require_tls=False,
            authenticator=self._authenticated,
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._mailbox.opened(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._mailbox.closed(self)
        self.ended.set()

    async def push(self, status: AnyStr) -> None:
        """Every answer goes out here, the greeting first."""
        if status[3:4] not in ("-", b"-"):  # one wait for an answer of several lines
            await asyncio.sleep(self._mailbox.answer_delay)
        if not self._has_greeted:
            self._has_greeted = True
            if (refusal := await self.scripted(Phase.GREETING)) is not None:
                await super().push(refusal)
                return
        await super().push(status)

    async def scripted(self, phase: Phase) -> str | None:
        """The refusal that is set for ``phase``; hangs up, for good, where that is set."""
        if self._mailbox.drop is phase:
            self.hang_up()
            await asyncio.Event().wait()  # until aiosmtpd cancels this session for its lost connection
        return self._mailbox.refusals.get(phase)

    def has_enough(self) -> bool:
        """Whether this connection has brought as many mails as one may."""
        return self._mailbox.most_mails is not None and self.mails >= self._mailbox.most_mails

    def hang_up(self) -> None:
        """End the connection at once, unsent answers included."""
        if self.transport is not None:
            with contextlib.suppress(AttributeError):  # Python 3.11, when TLS has let go of the connection by itself
                cast("asyncio.WriteTransport", self.transport).abort()  # uvloop's is no subclass of asyncio's

    def _authenticated(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
    ) -> AuthResult:
        may = isinstance(data, LoginPassword) and self._mailbox.may_log_in(data.login, data.password)
        return AuthResult(success=may, handled=False)


class _Hooks:
    """Where aiosmtpd asks what to answer."""

    def __init__(self, server: _Server, mailbox: Mailbox) -> None:
        self._server = server
        self._mailbox = mailbox

    async def handle_MAIL(  # noqa: N802 - aiosmtpd looks for this name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self._mailbox.commands.append("MAIL")
        if (refusal := await self._server.scripted(Phase.MAIL)) is not None:
            return refusal
        if self._server.has_enough():
            return "421 4.7.0 too many mails in this session"
        self._server.mails += 1
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 sender ok"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd looks for this name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self._mailbox.commands.append("RCPT")
        if (refusal := await self._server.scripted(Phase.RCPT)) is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 recipient ok"

    async def handle_RSET(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 - as above
        self._mailbox.commands.append("RSET")
        return "250 2.0.0 ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd looks for this name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self._mailbox.commands.append("DATA")
        if (refusal := await self._server.scripted(Phase.DATA)) is not None:
            return refusal
        await self._mailbox.deliver(envelope)
        if self._mailbox.stall_in_data:
            await asyncio.Event().wait()  # until the client gives up or the mailbox stops
        return f"250 2.0.0 ok: queued as {len(self._mailbox.messages)}"
