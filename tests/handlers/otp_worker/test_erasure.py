"""An account leaves: what the verifier had of it is destroyed, and nothing that comes later brings it back."""

import dataclasses
import datetime as dt

from shared.contracts import commands, events
from shared.contracts.commands import ConcludeErasure, ExecuteRecovery, OpenRecoveryChallenge, ReadSecurity, StartLogin
from shared.contracts.envelope import Envelope, Message
from shared.contracts.types import ChallengeId, FactorType, FirstFactor, FirstFactorMethod, RecoveryId
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import ANN, STEP, Verifier, contact, request_key

TABLES = ("accounts", "account_keys", "factors", "challenges", "backup_codes", "trusted_devices")


async def leave(verifier: Verifier, account_id: str = ANN) -> events.AccountErased:
    """What policy commits when the account is erased, and what it then says."""
    erased = events.AccountErased(erasure_id=new_id())
    await verifier.admin.execute(
        """
        INSERT INTO policy.erasures (tenant_id, account_id, erasure_id, told_at, erased_at, erased_system_at)
        VALUES ($1, $2, $3, now(), policy.tenant_now($1), now())
            ON CONFLICT (tenant_id, account_id) DO UPDATE
           SET erasure_id = excluded.erasure_id, erased_at = excluded.erased_at, cleared_at = NULL
        """,
        verifier.tenant_id,
        account_id,
        erased.erasure_id,
    )
    await verifier.admin.execute(
        "DELETE FROM policy.accounts WHERE tenant_id = $1 AND account_id = $2", verifier.tenant_id, account_id
    )
    return erased


async def clear(verifier: Verifier) -> None:
    """Policy has heard that the verifier is done."""
    await verifier.admin.execute(
        "UPDATE policy.erasures SET cleared_at = now() WHERE tenant_id = $1", verifier.tenant_id
    )


async def left_over(verifier: Verifier, account_id: str = ANN) -> dict[str, int]:
    """How many rows each table has of the account."""
    counts = {}
    for table in TABLES:
        query = f"SELECT count(*) FROM otp.{table} WHERE tenant_id = $1 AND account_id = $2"  # noqa: S608
        counts[table] = await verifier.admin.fetchval(query, verifier.tenant_id, account_id)
    counts["codes"] = await verifier.admin.fetchval(
        "SELECT count(*) FROM otp.codes WHERE tenant_id = $1", verifier.tenant_id
    )
    counts["answers"] = await verifier.admin.fetchval(
        "SELECT count(*) FROM bus.answers WHERE tenant_id = $1", verifier.tenant_id
    )
    return counts


async def whole_life(verifier: Verifier) -> str:
    """Factors, codes sent and typed, a trusted device, stored answers; the device's token."""
    app = await verifier.enrol()
    await verifier.enrol_by_code(FactorType.EMAIL, proof=await verifier.proof(app))
    now = await verifier.move(2 * STEP)
    challenge = await verifier.challenge()
    key = request_key()
    scope = f"POST /v1/challenges/{challenge.id}/verify"
    passed = await verifier.passed(
        challenge.id,
        app.code(now),
        account_id=None,
        factor_id=app.factor_id,
        trust_device=True,
        key=key.model_copy(update={"scope": scope}),
    )
    assert passed.trusted_device is not None
    login = StartLogin(first_factor=FirstFactor(method=FirstFactorMethod.PASSWORD), request=request_key())
    assert (await verifier.ask(login)).refusal is None
    return passed.trusted_device.token


async def say(verifier: Verifier, message: Message, at: dt.datetime) -> None:
    """Handle what was said at that tenant time."""
    envelope: Envelope[Message] = dataclasses.replace(verifier.envelope(message), time=at)
    await verifier.deliver(envelope)


async def test_every_row_and_the_data_key_go(verifier: Verifier) -> None:
    """Without the key no copy of a seed, in a backup of the database say, opens any more."""
    await whole_life(verifier)
    assert all(count > 0 for count in (await left_over(verifier)).values())
    erased = await leave(verifier)
    await verifier.hear(erased)
    assert set((await left_over(verifier)).values()) == {0}
    [concluded] = await verifier.said(ConcludeErasure)
    assert (concluded.account_id, concluded.data.erasure_id) == (ANN, erased.erasure_id)


async def test_others_keep_theirs(verifier: Verifier) -> None:
    """One account leaves, not its tenant."""
    await verifier.account("bob")
    bob = await verifier.enrol("bob")
    await verifier.enrol()
    await verifier.hear(await leave(verifier))
    now = await verifier.move(2 * STEP)
    await verifier.passed((await verifier.challenge("bob")).id, bob.code(now), account_id="bob")


async def test_until_the_rows_are_gone_the_id_is_nobodys(verifier: Verifier) -> None:
    """A new account of the same id must not be let in, nor kept out, by the factors of the one before."""
    app = await verifier.enrol()
    now = await verifier.move(2 * STEP)
    challenge = await verifier.challenge()
    erased = await leave(verifier)
    assert (await verifier.verify(challenge.id, app.code(now))).code == "challenge_not_found"
    await verifier.account()
    login = StartLogin(first_factor=FirstFactor(method=FirstFactorMethod.PASSWORD))
    assert (await verifier.ask(login)).code == "account_not_found"
    assert (await verifier.ask(ReadSecurity())).code == "account_not_found"
    await verifier.hear(erased)
    await clear(verifier)
    assert (await verifier.ask(login)).refusal is None


async def test_a_new_account_of_the_same_id_begins_with_nothing(verifier: Verifier) -> None:
    """Old factors, trust tokens and open challenges are the other's: none opens anything; the data key is a new one."""
    token = await whole_life(verifier)
    now = await verifier.now()
    key = await verifier.admin.fetchval("SELECT wrapped FROM otp.account_keys WHERE tenant_id = $1", verifier.tenant_id)
    challenge = await verifier.challenge(purpose="step_up")
    await verifier.hear(await leave(verifier))
    await clear(verifier)
    await verifier.account()
    assert (await verifier.verify(challenge.id, "123456")).code == "challenge_not_found"
    login = await verifier.login(trusted_device_token=verifier.typed(ANN, token, "trusted_device_token"))
    assert (login.decision, login.assertion) == ("allow", None)
    view = await verifier.security()
    assert (view.factors, view.trusted_devices, view.backup_codes.codes_left) == ((), (), 0)
    again = await verifier.enrol()
    assert len(again.backup_codes) == 10
    fresh = "SELECT wrapped FROM otp.account_keys WHERE tenant_id = $1"
    assert await verifier.admin.fetchval(fresh, verifier.tenant_id) not in (None, key)
    assert await verifier.now() >= now


async def test_late_news_do_nothing_to_the_new_account(verifier: Verifier) -> None:
    """The erasure told again, and the orders of a recovery that the one before had asked for."""
    before = await verifier.now()
    erased = await leave(verifier)
    await verifier.hear(erased)
    await clear(verifier)
    await verifier.account()
    await verifier.enrol()
    recovery_id = RecoveryId(new_id())
    await verifier.hear(erased)
    await say(verifier, ExecuteRecovery(recovery_id=recovery_id, requested_at=before), before)
    opened = OpenRecoveryChallenge(
        recovery_id=recovery_id, challenge_id=ChallengeId(new_id()), mailbox=contact("ann-mail")
    )
    await say(verifier, opened, before)
    login = await verifier.challenge()
    await say(verifier, commands.CancelChallenges(reason="sso"), before)
    assert (await verifier.data(commands.ReadChallenge(challenge_id=login.id), None))["state"] == "open"
    await say(verifier, events.AccountPasswordChanged(changed_at=before), before)
    changed = "SELECT password_changed_at FROM otp.accounts WHERE tenant_id = $1 AND account_id = $2"
    assert await verifier.admin.fetchval(changed, verifier.tenant_id, ANN) is None
    assert len((await verifier.security()).factors) == 1
    assert await verifier.said(commands.ConcludeRecovery) == []
    assert await verifier.codes() == []


async def test_news_for_who_has_left_make_no_rows(verifier: Verifier) -> None:
    """Messages that were on the way find nobody: they must not leave a counter or a challenge behind."""
    await verifier.enrol()
    await verifier.hear(await leave(verifier))
    now = await verifier.now()
    await verifier.hear(events.AccountPasswordChanged(changed_at=now))
    opened = OpenRecoveryChallenge(
        recovery_id=RecoveryId(new_id()), challenge_id=ChallengeId(new_id()), mailbox=contact("ann-mail")
    )
    await verifier.hear(opened)
    await verifier.hear(StartLogin(first_factor=FirstFactor(method=FirstFactorMethod.PASSWORD)))
    assert {name for name, count in (await left_over(verifier)).items() if count} <= {"answers"}


async def test_a_code_and_the_end_at_once_leave_nothing(verifier: Verifier) -> None:
    """Policy has let go of the account: a code that is typed while the rows go writes none, whoever is first."""
    app = await verifier.enrol()
    now = await verifier.move(2 * STEP)
    challenge = await verifier.challenge()
    erased = await leave(verifier)
    answered, _ = await verifier.at_once(
        lambda: verifier.verify(challenge.id, app.code(now), trust_device=True), lambda: verifier.hear(erased)
    )
    assert answered.code == "challenge_not_found"
    assert {name for name, count in (await left_over(verifier)).items() if count} <= {"answers"}
