"""The verifier on a real database, as its own role: messages go to its consumer, a sandbox's clock is moved by hand."""

import asyncio
import datetime as dt
import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import pyotp
import pytest

from services.otp_worker.adapters.assertions import AssertionSigner
from services.otp_worker.consumers import TABLE
from services.otp_worker.deps import Deps
from services.otp_worker.domain.backup_code import parse
from shared.clock import host_now
from shared.contracts import commands
from shared.contracts.codec import decode, encode
from shared.contracts.commands import (
    ConfirmEnrolment,
    ReadSecurity,
    Request,
    SendEmail,
    SendSms,
    StartEnrolment,
    StartLogin,
    VerifyCode,
)
from shared.contracts.envelope import Envelope, Message, begin
from shared.contracts.notifications import Notification
from shared.contracts.policy import Policy
from shared.contracts.replies import (
    ChallengeView,
    ConfirmationAnswer,
    EnrolmentAnswer,
    LoginAnswer,
    Refusal,
    SecurityView,
    VerifyAnswer,
)
from shared.contracts.types import (
    ChallengeId,
    Contact,
    Context,
    FactorId,
    FactorType,
    FirstFactor,
    FirstFactorMethod,
    Purpose,
    RequestKey,
    Role,
)
from shared.crypto.data_keys import RingMasterKey
from shared.crypto.keyring import KeyRing, load_ring
from shared.crypto.sealing import seal, secret_param_place, typed_place, unseal
from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.answering import open_answer
from shared.messaging.bus import Ack, Incoming, Reply
from shared.messaging.consumer import Consumer
from shared.messaging.postgres_lanes import PostgresLanes
from shared.messaging.relay import Relay
from shared.messaging.topology import OTP_COMMANDS
from shared.secret import Secret
from tests.conftest import DatabaseFor
from tests.support.tenants import new_tenant

ANN = "ann"
STEP = 30  # seconds
DAY = 24 * 3600  # seconds
FIREFOX = Context(ip="192.0.2.7", user_agent="Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0")

M = TypeVar("M", bound=Message)


def contact(name: str) -> Contact:
    """An address that nobody here can read."""
    return Contact(sealed=f"v1.k1.{name}", masked=f"{name[0]}•••{name[-1]}", digest=f"k1.{name}")


def another_like(code: str) -> str:
    """Another code of the same slot."""
    parsed = parse(code)
    assert parsed is not None
    last = "0" if parsed.characters[-1] != "0" else "1"
    return f"{parsed.slot}{parsed.characters[:-1]}{last}"


@dataclass(frozen=True)
class Answered:
    """What came back: data or a refusal."""

    data: dict[str, Any] | None
    refusal: Refusal | None

    @property
    def code(self) -> str | None:
        """The refusal's."""
        return self.refusal.code.value if self.refusal else None


@dataclass(kw_only=True)
class Authenticator:
    """Somebody's app, and the codes it came with."""

    factor_id: FactorId
    seed: str
    backup_codes: tuple[str, ...]
    recovery_key: str | None = None
    assertion: str | None

    def code(self, now: dt.datetime, steps: int = 0) -> str:
        """What it shows, that many steps from now."""
        return pyotp.TOTP(self.seed).at(now, counter_offset=steps)

    def wrong(self, now: dt.datetime, number: int = 0) -> str:
        """A code of no step that counts, not even for a hint; different for each number."""
        near = {int(self.code(now, steps)) for steps in range(-30, 31)}
        free = (each for each in itertools.count(int(self.code(now)) + 7_919) if each % 1_000_000 not in near)
        return f"{next(itertools.islice(free, number, None)) % 1_000_000:06}"


@dataclass(frozen=True, kw_only=True)
class Verifier:
    """The service, one tenant's helpdesk before it, and whoever may look into the database."""

    consumer: Consumer[Deps]
    deps: Deps
    database: Database
    answers: KeyRing
    tenant_id: UUID
    dsn: str
    admin: "asyncpg.Connection[asyncpg.Record]"

    # --- time and the rows of others -------------------------------------------------------------------------------

    async def now(self) -> dt.datetime:
        """Tenant time."""
        found = await self.admin.fetchval("SELECT policy.tenant_now($1)", self.tenant_id)
        assert isinstance(found, dt.datetime)
        return found

    async def move(self, seconds: float) -> dt.datetime:
        """Move the tenant's clock; the new time."""
        await self.admin.execute(
            "UPDATE policy.clocks SET clock_offset = clock_offset + make_interval(secs => $2) WHERE tenant_id = $1",
            self.tenant_id,
            seconds,
        )
        return await self.now()

    async def to_the_start_of_a_step(self) -> dt.datetime:
        """Move the clock to just after the start of a step, which what follows then has nearly the whole of."""
        return await self.move(STEP - (await self.now()).timestamp() % STEP)

    async def account(self, account_id: str = ANN, **columns: Any) -> None:
        """An agent with a verified mailbox and a phone, unless said otherwise; again: change these columns."""
        mail, phone = contact(f"{account_id}-mail"), contact(f"{account_id}-phone")
        values: dict[str, Any] = {
            "role": "agent",
            "email_sealed": mail.sealed,
            "email_masked": mail.masked,
            "email_digest": mail.digest,
            "email_verified": True,
            "phone_sealed": phone.sealed,
            "phone_masked": phone.masked,
            "phone_digest": phone.digest,
            "created_at": await self.now() - dt.timedelta(days=30),
        } | columns
        names = ", ".join(values)
        places = ", ".join(f"${number}" for number in range(3, 3 + len(values)))
        updates = ", ".join(f"{name} = excluded.{name}" for name in values)
        await self.admin.execute(
            f"""
            INSERT INTO policy.accounts (tenant_id, account_id, {names}) VALUES ($1, $2, {places})
                ON CONFLICT (tenant_id, account_id) DO UPDATE SET {updates}
            """,  # noqa: S608 - the names above
            self.tenant_id,
            account_id,
            *values.values(),
        )

    async def policy(self, policy: Policy, *, required_since: dt.datetime | None = None) -> None:
        """The tenant's policy."""
        since = {role.value: {"since": required_since.isoformat()} for role in Role} if required_since else {}
        await self.admin.execute(
            """
            INSERT INTO policy.policies (tenant_id, version, policy, requirements, updated_at)
            VALUES ($1, 1, $2::jsonb, $3::jsonb, now())
                ON CONFLICT (tenant_id) DO UPDATE
               SET version = policy.policies.version + 1, policy = excluded.policy, requirements = excluded.requirements
            """,
            self.tenant_id,
            policy.model_dump_json(),
            json.dumps(since),
        )

    # --- messages ---------------------------------------------------------------------------------------------------

    def envelope(self, data: M, account_id: str | None = ANN, actor: str = "api_key:test") -> Envelope[M]:
        """A message about an account of the tenant."""
        return begin(data, tenant_id=self.tenant_id, account_id=account_id, actor=actor, source="/tests", at=host_now())

    async def ask_all(self, envelopes: Sequence[Envelope[Request]]) -> list[Answered]:
        """One frame."""
        batch = [
            Incoming(
                lane=envelope.data.lane,
                message_id=envelope.id,
                body=encode(envelope),
                wants_reply=True,
                first_seen_at=host_now(),
            )
            for envelope in envelopes
        ]
        answers = []
        for envelope, reply in zip(envelopes, await self.consumer.receive(batch), strict=True):
            assert isinstance(reply, Reply)
            opened = open_answer(self.answers, envelope, reply.body)
            answers.append(Answered(opened.data, opened.refusal))
        return answers

    async def ask(self, request: Request, account_id: str | None = ANN) -> Answered:
        """One request alone."""
        [answered] = await self.ask_all([self.envelope(request, account_id)])
        return answered

    async def data(self, request: Request, account_id: str | None = ANN) -> dict[str, Any]:
        """The data of an answer that is no refusal."""
        answered = await self.ask(request, account_id)
        assert answered.refusal is None, answered.refusal
        assert answered.data is not None
        return answered.data

    async def security(self, account_id: str = ANN) -> SecurityView:
        """How an account is secured."""
        return SecurityView.model_validate(await self.data(ReadSecurity(), account_id))

    async def hear(self, message: Message, account_id: str | None = ANN) -> None:
        """Handle a command or an event from the bus."""
        await self.deliver(self.envelope(message, account_id))

    async def deliver(self, envelope: Envelope[Message]) -> None:
        """Handle what came on the lane of commands and events."""
        incoming = Incoming(
            lane=OTP_COMMANDS.name, message_id=envelope.id, body=encode(envelope), first_seen_at=host_now()
        )
        assert await self.consumer.receive([incoming]) == [Ack()]

    async def said(self, kind: type[M], account_id: str | None = None) -> list[Envelope[M]]:
        """What was published of a type for this tenant, oldest first."""
        rows = await self.admin.fetch(
            "SELECT body FROM bus.outbox WHERE tenant_id = $1 ORDER BY message_id", self.tenant_id
        )
        every = [decode(row["body"]) for row in rows]
        return [
            each  # type: ignore[misc]
            for each in every
            if isinstance(each.data, kind) and account_id in (None, each.account_id)
        ]

    async def notices(self, account_id: str | None = None) -> list[tuple[str, str]]:
        """Every notice that is no code, and the digest of the address that it goes to."""
        return [
            (each.data.notification.value, each.data.destination.digest)
            for each in await self.said(commands.Notify, account_id)
            if each.data.notification is not Notification.CODE
        ]

    async def codes(self, account_id: str = ANN) -> list[str]:
        """Every code that left for this account, oldest first, as the notifier opens it."""
        sent = [
            each
            for kind in (SendEmail, SendSms)
            for each in await self.said(kind, account_id)
            if each.data.notification is Notification.CODE
        ]
        opened = []
        for each in sorted(sent, key=lambda each: each.data.delivery_id.int):
            assert each.data.code is not None
            place = secret_param_place(self.tenant_id, account_id, each.data.delivery_id)
            opened.append(unseal(self.deps.notifier, each.data.code, place).reveal())
        return opened

    # --- what people do ---------------------------------------------------------------------------------------------

    def typed(self, record: UUID | str, text: str, field: str = "code") -> str:
        """As the gateway seals what was typed."""
        return seal(self.deps.typed, Secret(text), typed_place(self.tenant_id, str(record), field))

    async def login(self, account_id: str = ANN, *, context: Context = FIREFOX, **more: Any) -> LoginAnswer:
        """The first factor was right: a password, unless said otherwise."""
        fields = {"purpose": Purpose.SIGN_IN, "first_factor": FirstFactor(method=FirstFactorMethod.PASSWORD)} | more
        login = StartLogin.model_validate({"context": context, **fields})
        return LoginAnswer.model_validate(await self.data(login, account_id))

    async def challenge(self, account_id: str = ANN, **more: Any) -> ChallengeView:
        """The challenge of a login."""
        answer = await self.login(account_id, **more)
        assert answer.challenge is not None, answer
        return answer.challenge

    def attempt(
        self,
        challenge_id: ChallengeId,
        code: str,
        *,
        account_id: str = ANN,
        kind: str = "code",
        key: RequestKey | None = None,
        **more: Any,
    ) -> Envelope[VerifyCode]:
        """A typed code on its way."""
        fields = {"challenge_id": challenge_id, kind: self.typed(challenge_id, code), "request": key, **more}
        return self.envelope(VerifyCode.model_validate(fields), account_id)

    async def verify(self, challenge_id: ChallengeId, code: str, **more: Any) -> Answered:
        """One try."""
        [answered] = await self.ask_all([self.attempt(challenge_id, code, **more)])
        return answered

    async def passed(self, challenge_id: ChallengeId, code: str, **more: Any) -> VerifyAnswer:
        """One try that succeeds."""
        answered = await self.verify(challenge_id, code, **more)
        assert answered.refusal is None, answered.refusal
        return VerifyAnswer.model_validate(answered.data)

    async def start(
        self, factor_type: FactorType = FactorType.TOTP, account_id: str = ANN, **more: Any
    ) -> EnrolmentAnswer:
        """A pending factor."""
        asked = StartEnrolment.model_validate({"factor_type": factor_type, **more})
        return EnrolmentAnswer.model_validate(await self.data(asked, account_id))

    async def confirm(self, factor_id: FactorId, code: str, account_id: str = ANN) -> Answered:
        """One try at a pending factor."""
        asked = ConfirmEnrolment.model_validate({"factor_id": factor_id, "code": self.typed(factor_id, code)})
        return await self.ask(asked, account_id)

    async def enrol(self, account_id: str = ANN, **more: Any) -> Authenticator:
        """An active authenticator app; the code of the current step is used up."""
        started = await self.start(FactorType.TOTP, account_id, **more)
        assert started.totp is not None
        code = pyotp.TOTP(started.totp.seed).at(await self.now())
        answered = await self.confirm(started.factor.id, code, account_id)
        assert answered.refusal is None, answered.refusal
        confirmed = ConfirmationAnswer.model_validate(answered.data)
        return Authenticator(
            factor_id=started.factor.id,
            seed=started.totp.seed,
            backup_codes=confirmed.backup_codes or (),
            recovery_key=confirmed.recovery_key,
            assertion=confirmed.assertion,
        )

    async def enrol_by_code(self, factor_type: FactorType, account_id: str = ANN, **more: Any) -> FactorId:
        """An active factor that gets its codes sent."""
        started = await self.start(factor_type, account_id, **more)
        answered = await self.confirm(started.factor.id, (await self.codes(account_id))[-1], account_id)
        assert answered.refusal is None, answered.refusal
        return started.factor.id

    async def proof(self, app: Authenticator, account_id: str = ANN) -> ChallengeId:
        """A step-up passed a moment ago, two steps on."""
        now = await self.move(2 * STEP)
        challenge = await self.challenge(account_id, purpose=Purpose.STEP_UP)
        await self.passed(challenge.id, app.code(now), account_id=account_id, factor_id=app.factor_id)
        return challenge.id

    async def at_once(self, *calls: Callable[[], Any]) -> list[Any]:
        """All of them in flight together, on connections of their own."""
        return list(await asyncio.gather(*(call() for call in calls)))


@pytest.fixture
async def admin(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection that may do everything, to look and to stand in for other services' rows."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


OpenVerifier = Callable[[UUID], Verifier]


@pytest.fixture
async def open_verifier(
    database_for: DatabaseFor, key_dir: Path, dsn: str, admin: "asyncpg.Connection[asyncpg.Record]"
) -> OpenVerifier:
    """One process of the service, before any tenant."""
    database = await database_for("otp_worker")
    bus = PostgresLanes(database, name="test-otp-worker")  # never entered: nothing is sent here
    relay = Relay(database, bus)
    answers = load_ring(key_dir, "seal.gateway")
    deps = Deps(
        database=database,
        relay=relay,
        master_key=RingMasterKey(load_ring(key_dir, "rest")),
        digests=load_ring(key_dir, "digest"),
        typed=load_ring(key_dir, "seal.otp_worker"),
        notifier=load_ring(key_dir, "seal.notifier"),
        assertions=AssertionSigner(load_ring(key_dir, "sign.assertion")),
        public_host="2fa.example",
    )
    consumer = Consumer(table=TABLE, deps=deps, database=database, bus=bus, relay=relay, answers=answers)

    def open_for(tenant_id: UUID) -> Verifier:
        return Verifier(
            consumer=consumer,
            deps=deps,
            database=database,
            answers=answers,
            tenant_id=tenant_id,
            dsn=dsn,
            admin=admin,
        )

    return open_for


@pytest.fixture
async def verifier(open_verifier: OpenVerifier, dsn: str) -> Verifier:
    """The service before a sandbox tenant of one's own, with one account."""
    opened = open_verifier(await new_tenant(dsn))
    await opened.account()
    return opened


def request_key(key: str | None = None, fingerprint: str = "same") -> RequestKey:
    """An Idempotency-Key."""
    return RequestKey(scope="POST /v1/tests", key=key or str(new_id()), fingerprint=fingerprint)
