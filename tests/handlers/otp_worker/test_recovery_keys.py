"""The recovery key: beside the ten codes or instead of them, used once, replaced by a new one in the same breath."""

import asyncio
from itertools import pairwise

import pytest

from shared.contracts import commands, events
from shared.contracts.commands import AcknowledgeBackupCodes, RegenerateBackupCodes
from shared.contracts.policy import Policy, RecoveryKey
from shared.contracts.replies import BackupCodesAnswer
from shared.contracts.types import Context, Method
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import DAY, STEP, Authenticator, Verifier, another_like, request_key

BESIDE = Policy(recovery_key=RecoveryKey.BESIDE)
INSTEAD = Policy(recovery_key=RecoveryKey.INSTEAD)


@pytest.mark.parametrize(
    ("policy", "codes", "keys"),
    [(Policy(), 10, 0), (BESIDE, 10, 1), (INSTEAD, 0, 1)],
    ids=["none", "beside", "instead"],
)
async def test_the_first_factor_brings_what_the_policy_says(
    verifier: Verifier, policy: Policy, codes: int, keys: int
) -> None:
    """Row 13: the tenant chooses between paper with ten codes, one long key, or both."""
    await verifier.policy(policy)
    app = await verifier.enrol()
    has_key = keys == 1
    assert (len(app.backup_codes), app.recovery_key is not None) == (codes, has_key)
    challenge = await verifier.challenge()
    assert (challenge.has_backup_codes, challenge.has_recovery_key) == (codes > 0, has_key)
    status = (await verifier.security()).backup_codes
    assert (status.codes_left, status.recovery_key is not None) == (codes, has_key)
    said = {(each.data.kind, each.data.count) for each in await verifier.said(events.BackupCodesGenerated)}
    assert said == {*([(Method.BACKUP_CODE, 10)] if codes else []), *([(Method.RECOVERY_KEY, 1)] if has_key else [])}


async def test_a_key_passes_once_and_the_new_one_takes_its_place(verifier: Verifier) -> None:
    """Who has just used the only key must not stand there without one."""
    await verifier.policy(INSTEAD)
    keys = [_key(await verifier.enrol())]
    for _ in range(3):
        answer = await verifier.passed((await verifier.challenge()).id, keys[-1], kind="recovery_key")
        assert (answer.method, answer.leads_to, answer.backup_codes_left) == (Method.RECOVERY_KEY, "security", None)
        assert answer.recovery_key is not None
        keys.append(answer.recovery_key)
    assert len(set(keys)) == 4
    for old, current in pairwise(keys):
        again = await verifier.verify((await verifier.challenge()).id, old, kind="recovery_key")
        # the one before last is known to have been used; older ones are as wrong as any other text
        assert again.code == ("code_already_used" if current == keys[-1] else "code_wrong")
    await verifier.passed((await verifier.challenge()).id, keys[-1], kind="recovery_key")


async def test_the_use_of_a_key_is_told_and_the_new_one_waits_to_be_saved(verifier: Verifier) -> None:
    """The answer with the new key may be lost on its way: the notice and the status say that there is one."""
    await verifier.policy(BESIDE)
    app = await verifier.enrol()
    await verifier.data(AcknowledgeBackupCodes())
    before = (await verifier.security()).backup_codes
    assert before.recovery_key is not None
    assert before.recovery_key.acknowledged_at is not None
    await verifier.move(60)
    await verifier.passed((await verifier.challenge()).id, _key(app), kind="recovery_key")
    after = (await verifier.security()).backup_codes
    assert after.recovery_key is not None
    assert after.recovery_key.made_at > before.recovery_key.made_at
    assert (after.recovery_key.acknowledged_at, after.acknowledged_at) == (None, before.acknowledged_at)
    assert [name for name, _ in await verifier.notices()].count("recovery_key_used") == 2
    assert [each.data.kind for each in await verifier.said(events.BackupCodesUsed)] == [Method.RECOVERY_KEY]
    await verifier.data(AcknowledgeBackupCodes())
    saved = (await verifier.security()).backup_codes
    assert saved.recovery_key is not None
    assert saved.recovery_key.acknowledged_at is not None


async def test_a_lost_answer_gives_the_new_key_again_for_ten_minutes(verifier: Verifier) -> None:
    """The old key is used up: a retry must not leave its owner with none."""
    await verifier.policy(INSTEAD)
    app = await verifier.enrol()
    challenge, key = await verifier.challenge(), request_key()
    attempt = verifier.attempt(challenge.id, _key(app), kind="recovery_key", key=key)
    [first] = await verifier.ask_all([attempt])
    [again] = await verifier.ask_all([verifier.envelope(attempt.data)])
    assert first.data is not None
    assert first.data["recovery_key"] is not None
    assert again.data == first.data


async def test_of_two_uses_at_once_one_wins_and_one_key_is_made(verifier: Verifier) -> None:
    """Two browsers, one sheet of paper: the second must neither come in nor make a key that nobody sees."""
    await verifier.policy(INSTEAD)
    app = await verifier.enrol()
    challenges = [await verifier.challenge(context=Context(ip=f"192.0.2.{number}")) for number in range(3)]
    answers = await asyncio.gather(*(verifier.verify(each.id, _key(app), kind="recovery_key") for each in challenges))
    assert sorted(str(answer.code) for answer in answers) == ["None", "code_already_used", "code_already_used"]
    [won] = [answer.data for answer in answers if answer.data]
    await verifier.passed((await verifier.challenge()).id, won["recovery_key"], kind="recovery_key")


async def test_guesses_at_the_key_close_neither_the_codes_nor_the_app(verifier: Verifier) -> None:
    """A lane each: a thief who types keys all night must not shut the owner out of the rest."""
    await verifier.policy(BESIDE)
    app = await verifier.enrol()
    for number in range(2):
        challenge = await verifier.challenge(context=Context(ip=f"192.0.2.{number}"))
        for _ in range(5):
            assert (
                await verifier.verify(challenge.id, another_like(_key(app)), kind="recovery_key")
            ).code == "code_wrong"
    challenge = await verifier.challenge()
    assert (await verifier.verify(challenge.id, _key(app), kind="recovery_key")).code == "throttled"
    assert (await verifier.verify(challenge.id, another_like(_key(app)), kind="recovery_code")).code == "code_wrong"
    await verifier.passed(challenge.id, app.backup_codes[0], kind="backup_code")
    now = await verifier.move(STEP)
    await verifier.passed((await verifier.challenge()).id, app.code(now))
    await verifier.move(DAY)
    await verifier.passed((await verifier.challenge()).id, _key(app), kind="recovery_key")


async def test_where_there_is_no_key_nothing_is_counted(verifier: Verifier) -> None:
    """Nobody can guess what was never made."""
    app = await verifier.enrol()
    answered = await verifier.verify((await verifier.challenge()).id, app.backup_codes[0], kind="recovery_key")
    assert answered.code == "no_recovery_key"
    await verifier.policy(INSTEAD)
    await verifier.account("bob")
    await verifier.enrol("bob")
    challenge = await verifier.challenge("bob")
    bobs = await verifier.verify(challenge.id, app.backup_codes[0], account_id="bob", kind="backup_code")
    assert bobs.code == "no_backup_codes"


@pytest.mark.parametrize(
    ("policy", "notice"),
    [(BESIDE, "backup_codes_generated"), (INSTEAD, "recovery_key_made")],
    ids=["beside", "instead"],
)
async def test_making_new_ones_follows_the_policy_of_today(verifier: Verifier, policy: Policy, notice: str) -> None:
    """A tenant that changed its mind gets there with the next set; whatever was shown before is void."""
    app = await verifier.enrol()
    await verifier.policy(policy)
    asked = RegenerateBackupCodes(proof=await verifier.proof(app))
    made = BackupCodesAnswer.model_validate(await verifier.data(asked))
    assert (made.backup_codes is None, made.recovery_key is None) == (policy == INSTEAD, False)
    assert [name for name, _ in await verifier.notices()].count(notice) == 2
    old = await verifier.verify((await verifier.challenge()).id, app.backup_codes[0], kind="backup_code")
    assert old.code == ("no_backup_codes" if policy == INSTEAD else "code_wrong")
    assert made.recovery_key is not None
    await verifier.passed((await verifier.challenge()).id, made.recovery_key, kind="recovery_key")


async def test_a_key_is_replaced_even_where_the_policy_makes_none_any_more(verifier: Verifier) -> None:
    """Its owner has nothing else: a setting of the tenant must not take it away at the moment of need."""
    await verifier.policy(INSTEAD)
    app = await verifier.enrol()
    await verifier.policy(Policy())
    answer = await verifier.passed((await verifier.challenge()).id, _key(app), kind="recovery_key")
    assert answer.recovery_key is not None


async def test_a_recovery_voids_the_key_and_opens_its_lane(verifier: Verifier) -> None:
    """What was begun anew is begun with clean counts, and paper from before opens nothing."""
    await verifier.policy(BESIDE)
    app = await verifier.enrol()
    for number in range(2):
        challenge = await verifier.challenge(context=Context(ip=f"192.0.2.{number}"))
        for _ in range(5):
            await verifier.verify(challenge.id, another_like(_key(app)), kind="recovery_key")
    now = await verifier.move(60)
    await verifier.hear(commands.ExecuteRecovery.model_validate({"recovery_id": new_id(), "requested_at": now}))
    assert (await verifier.security()).backup_codes.recovery_key is None
    failures = await verifier.admin.fetchval(
        "SELECT key_day_failures FROM otp.accounts WHERE tenant_id = $1 AND account_id = 'ann'", verifier.tenant_id
    )
    assert failures == 0


def _key(app: Authenticator) -> str:
    assert app.recovery_key is not None
    return app.recovery_key
