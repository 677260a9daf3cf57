"""Our part of a recovery: the mailbox is proved by a code, and at the end the second factor goes as a whole."""

import datetime as dt

from shared.contracts import commands, events
from shared.contracts.commands import (
    CancelChallenges,
    ConcludeRecovery,
    ExecuteRecovery,
    OpenRecoveryChallenge,
    ReadChallenge,
    ReadSecurity,
    SendCode,
)
from shared.contracts.replies import WaitingRecovery
from shared.contracts.types import ChallengeId, FactorType, Method, RecoveryId
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import ANN, STEP, Verifier, contact


async def test_the_code_that_proves_the_mailbox_leaves_at_once(verifier: Verifier) -> None:
    """The challenge has the id that policy has announced already."""
    await verifier.enrol()
    recovery_id, challenge_id = await _opened(verifier)
    sent = await _last_code(verifier)
    assert (sent.recovery_id, sent.challenge_id, sent.destination) == (recovery_id, challenge_id, contact("ann-mail"))
    proved = await verifier.passed(challenge_id, (await verifier.codes())[-1])
    assert (proved.method, proved.assertion) == (Method.EMAIL, None)
    verified = (await verifier.said(events.ChallengeVerified))[-1].data
    assert (verified.recovery_id, verified.purpose, verified.factor_id) == (recovery_id, "recovery", None)


async def test_neither_app_nor_backup_code_answers_a_recovery_challenge(verifier: Verifier) -> None:
    """It asks for the mailbox; and a proved mailbox is no success that would end the recovery itself."""
    app = await verifier.enrol()
    _, challenge_id = await _opened(verifier)
    now = await verifier.move(STEP)
    assert (await verifier.verify(challenge_id, app.code(now))).code == "code_wrong"
    backup = await verifier.verify(challenge_id, app.backup_codes[0], kind="backup_code")
    assert backup.code == "factor_not_offered"
    before = await _last_success(verifier)
    await verifier.passed(challenge_id, (await verifier.codes())[-1])
    assert await _last_success(verifier) == before


async def test_guessing_at_the_mailbox_shuts_nobody_out(verifier: Verifier) -> None:
    """Five tries, and no throttle: otherwise whoever starts a recovery could lock the owner's app."""
    app = await verifier.enrol()
    _, challenge_id = await _opened(verifier)
    right = (await verifier.codes())[-1]
    wrong = [f"{number:06}" for number in range(6) if f"{number:06}" != right][:5]
    answers = [await verifier.verify(challenge_id, code) for code in wrong]
    assert [answer.code for answer in answers] == ["code_wrong"] * 5
    assert (await verifier.ask(SendCode(challenge_id=challenge_id))).code == "challenge_exhausted"
    now = await verifier.move(STEP)
    await verifier.passed((await verifier.challenge()).id, app.code(now))


async def test_the_code_can_be_sent_again(verifier: Verifier) -> None:
    """No factor is named: the challenge offers the mailbox alone."""
    await verifier.enrol()
    _, challenge_id = await _opened(verifier)
    assert (await verifier.ask(SendCode(challenge_id=challenge_id))).code == "too_soon"
    await verifier.move(30)
    assert (await verifier.ask(SendCode(challenge_id=challenge_id))).code is None
    assert len(await verifier.codes()) == 2


async def test_an_executed_recovery_takes_everything_down(verifier: Verifier) -> None:
    """Factors, codes, trusts and open challenges go in one commit; sessions are told to end."""
    app = await verifier.enrol()
    await verifier.enrol_by_code(FactorType.SMS, proof=await verifier.proof(app), destination=contact("other-phone"))
    still_open = await verifier.challenge()
    requested_at = await verifier.move(60)
    await verifier.move(24 * 3600)
    recovery_id = RecoveryId(new_id())
    await verifier.hear(ExecuteRecovery(recovery_id=recovery_id, requested_at=requested_at))

    [concluded] = await verifier.said(ConcludeRecovery)
    assert (concluded.data.is_executed, concluded.data.revoked_factors) == (True, 2)
    revoked = [each.data for each in await verifier.said(events.FactorRevoked)]
    assert [(each.reason, each.is_last) for each in revoked] == [("recovery", False), ("recovery", True)]
    assert still_open.id in {each.data.challenge_id for each in await verifier.said(events.ChallengeCancelled)}
    assert [each.data.reason for each in await verifier.said(events.SessionsShouldEnd)] == ["recovery"]
    view = await verifier.data(ReadSecurity())
    assert (view["factors"], view["backup_codes"]["codes_left"], view["trusted_devices"]) == ([], 0, [])
    seeds = await verifier.admin.fetch("SELECT seed FROM otp.factors WHERE tenant_id = $1", verifier.tenant_id)
    assert {row["seed"] for row in seeds} == {None}
    told = [digest for name, digest in await verifier.notices() if name == "recovery_executed"]
    assert told == ["k1.other-phone"]  # policy tells the account's own
    assert (await verifier.login()).decision == "allow"  # nothing is required here


async def test_a_recovery_does_not_execute_over_a_real_success(verifier: Verifier) -> None:
    """Whoever still passes with the app has not lost it: somebody else asked."""
    app = await verifier.enrol()
    requested_at = await verifier.now()
    now = await verifier.move(STEP)
    await verifier.passed((await verifier.challenge()).id, app.code(now))
    await verifier.move(24 * 3600)
    await verifier.hear(ExecuteRecovery(recovery_id=RecoveryId(new_id()), requested_at=requested_at))
    [concluded] = await verifier.said(ConcludeRecovery)
    assert concluded.data.is_executed is False
    assert await verifier.said(events.FactorRevoked) == []
    assert (await verifier.login()).decision == "challenge"


async def test_what_is_heard_twice_happens_once(verifier: Verifier) -> None:
    """At least once on the bus is once in the database."""
    await verifier.enrol()
    now = await verifier.move(60)
    recovery = ExecuteRecovery(recovery_id=RecoveryId(new_id()), requested_at=now + dt.timedelta(seconds=1))
    await verifier.hear(recovery)
    await verifier.hear(recovery)
    executed = [each.data.revoked_factors for each in await verifier.said(ConcludeRecovery)]
    assert executed == [1, 0]
    assert len(await verifier.said(events.FactorRevoked)) == 1
    assert len(await verifier.said(events.SessionsShouldEnd)) == 1


async def test_a_code_for_a_recovery_that_was_stopped_proves_nothing(verifier: Verifier) -> None:
    """It was taken with a 200, and its owner waited a day for nothing. The news that it was stopped may be on its way
    still, so policy's own word counts; then the challenge ends, too.
    """
    await verifier.enrol()
    recovery_id, challenge_id = await _opened(verifier)
    code = (await verifier.codes())[-1]
    await _end(verifier, recovery_id)
    assert (await verifier.verify(challenge_id, code)).code == "recovery_over"
    await verifier.move(30)
    assert (await verifier.ask(SendCode(challenge_id=challenge_id))).code == "recovery_over"
    other = await verifier.challenge()
    await verifier.hear(CancelChallenges(reason="recovery_over", challenge_id=challenge_id))
    [cancelled] = await verifier.said(events.ChallengeCancelled)
    assert (cancelled.data.challenge_id, cancelled.data.reason) == (challenge_id, "recovery_over")
    assert (await verifier.verify(challenge_id, code)).code == "recovery_over"
    assert (await verifier.data(ReadChallenge(challenge_id=other.id)))["state"] == "open"


async def test_a_draft_whose_day_is_over_is_proved_by_nothing(verifier: Verifier) -> None:
    """Its timer may be late; policy would drop the proof in silence."""
    await verifier.enrol()
    _, challenge_id = await _opened(verifier, draft_until=await verifier.now() + dt.timedelta(minutes=5))
    await verifier.move(300)
    assert (await verifier.verify(challenge_id, (await verifier.codes())[-1])).code == "recovery_over"


async def test_who_comes_on_a_trusted_device_is_asked_was_this_you(verifier: Verifier) -> None:
    """Nothing is typed there that would stop a recovery: its owner must hear of it, and of its hour, all the same."""
    app = await verifier.enrol()
    now = await verifier.move(STEP)
    proved = await verifier.passed((await verifier.challenge()).id, app.code(now), trust_device=True)
    assert proved.trusted_device is not None
    token = verifier.typed(ANN, proved.trusted_device.token, "trusted_device_token")
    recovery_id, _ = await _opened(verifier)
    login = await verifier.login(trusted_device_token=token)
    assert (login.decision, login.notice, login.recovery) == ("allow", None, None)  # nobody has proved the mailbox
    ready_at = await verifier.now() + dt.timedelta(days=1)
    await verifier.admin.execute(
        "UPDATE policy.recovery_requests SET state = 'waiting', proved_at = $3, ready_at = $4"
        " WHERE tenant_id = $1 AND recovery_id = $2",
        verifier.tenant_id,
        recovery_id,
        await verifier.now(),
        ready_at,
    )
    login = await verifier.login(trusted_device_token=token)
    assert (login.decision, login.notice) == ("allow", "recovery_waiting")
    assert login.recovery == WaitingRecovery(id=recovery_id, ready_at=ready_at)
    assert (await verifier.login()).notice is None  # a challenge: passing it is the answer
    await _end(verifier, recovery_id)
    assert (await verifier.login(trusted_device_token=token)).notice is None


async def _opened(verifier: Verifier, draft_until: dt.datetime | None = None) -> tuple[RecoveryId, ChallengeId]:
    """As policy does: its request, and then the command."""
    recovery_id, challenge_id = RecoveryId(new_id()), ChallengeId(new_id())
    mailbox, now = contact("ann-mail"), await verifier.now()
    await verifier.admin.execute(
        """
        INSERT INTO policy.recovery_requests (tenant_id, recovery_id, account_id, state, challenge_id,
                                              challenge_opened_at, mailbox_masked, requested_at, draft_until)
        VALUES ($1, $2, $3, 'draft', $4, $5, $6, $5, $7)
        """,
        verifier.tenant_id,
        recovery_id,
        ANN,
        challenge_id,
        now,
        mailbox.masked,
        draft_until or now + dt.timedelta(days=1),
    )
    await verifier.hear(OpenRecoveryChallenge(recovery_id=recovery_id, challenge_id=challenge_id, mailbox=mailbox))
    return recovery_id, challenge_id


async def _end(verifier: Verifier, recovery_id: RecoveryId) -> None:
    await verifier.admin.execute(
        "UPDATE policy.recovery_requests SET state = 'cancelled', ended_at = now()"
        " WHERE tenant_id = $1 AND recovery_id = $2",
        verifier.tenant_id,
        recovery_id,
    )


async def _last_code(verifier: Verifier) -> commands.SendEmail:
    return [each.data for each in await verifier.said(commands.SendEmail) if each.data.code is not None][-1]


async def _last_success(verifier: Verifier) -> dt.datetime | None:
    found: dt.datetime | None = await verifier.admin.fetchval(
        "SELECT last_success_at FROM otp.accounts WHERE tenant_id = $1 AND account_id = $2", verifier.tenant_id, ANN
    )
    return found
