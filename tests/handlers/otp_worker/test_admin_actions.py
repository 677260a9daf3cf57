"""What an admin does to somebody else's second factor. Who may is in tests/unit/rules/test_admin_action.py."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pyotp
import pytest

from shared.contracts import commands, events
from shared.contracts.commands import ReadSecurity, ResetAccount
from shared.contracts.notifications import Notification
from shared.contracts.types import Acting, Channel, Context, DeliveryId, FactorType, Purpose
from shared.db.account_lock import lock_account
from shared.ids import new_id
from tests.handlers.otp_worker.conftest import ANN, STEP, Authenticator, Verifier, contact
from tests.support import admin_proofs
from tests.support.eventually import eventually

T = TypeVar("T")

BOB = "bob"
RESET = ResetAccount(reason="lost phone, identity checked", acting=Acting(actor=BOB))


@pytest.fixture
async def desk(verifier: Verifier) -> Verifier:
    """Bob is an admin."""
    await verifier.account(BOB, role="admin")
    return verifier


async def ask_for_proofs(verifier: Verifier) -> None:
    """The tenant wants to see every admin's second factor."""
    await admin_proofs.ask_for_proofs(verifier.admin, verifier.tenant_id)


async def test_a_reset_takes_everything_down_and_tells_everywhere(desk: Verifier) -> None:
    """Factors, seeds, codes, trusts, challenges and waits go in one commit; the removed phone hears of it, too."""
    app = await desk.enrol()
    await desk.enrol_by_code(FactorType.SMS, proof=await desk.proof(app), destination=contact("other-phone"))
    pending = await desk.start(FactorType.EMAIL, proof=await desk.proof(app))
    now = await desk.move(2 * STEP)
    passed = await desk.passed((await desk.challenge()).id, app.code(now), factor_id=app.factor_id, trust_device=True)
    assert passed.trusted_device is not None
    still_open = await desk.challenge()
    assert (await desk.verify(still_open.id, app.wrong(now), factor_id=app.factor_id)).code == "code_wrong"

    assert await desk.data(RESET) == {"revoked_factors": 2, "revoked_devices": 1}

    view = await desk.data(ReadSecurity())
    assert (view["factors"], view["backup_codes"]["codes_left"], view["trusted_devices"]) == ([], 0, [])
    seeds = await desk.admin.fetch("SELECT seed FROM otp.factors WHERE tenant_id = $1", desk.tenant_id)
    assert {row["seed"] for row in seeds} == {None}
    failures = "SELECT failures_in_row + day_failures FROM otp.accounts WHERE tenant_id = $1 AND account_id = $2"
    assert await desk.admin.fetchval(failures, desk.tenant_id, ANN) == 0
    [reset] = await desk.said(events.AccountReset)
    assert (reset.data.reason, reset.data.revoked_factors) == (RESET.reason, 2)
    revoked = [each.data for each in await desk.said(events.FactorRevoked)]
    assert [(each.reason, each.is_last) for each in revoked] == [("reset", False), ("reset", True)]
    assert pending.factor.id in {each.data.factor_id for each in await desk.said(events.FactorExpired)}
    assert still_open.id in {each.data.challenge_id for each in await desk.said(events.ChallengeCancelled)}
    assert [each.data.reason for each in await desk.said(events.SessionsShouldEnd)] == ["reset"]
    told = {digest for name, digest in await desk.notices() if name == "account_reset"}
    assert told == {"k1.ann-mail", "k1.ann-phone", "k1.other-phone"}
    assert (await desk.login()).decision == "allow"  # nothing is required here


async def test_a_second_reset_finds_nothing_and_tells_nobody(desk: Verifier) -> None:
    """A second click is no second fright; the audit log has both."""
    await desk.enrol()
    assert (await desk.data(RESET))["revoked_factors"] == 1
    assert await desk.data(RESET) == {"revoked_factors": 0, "revoked_devices": 0}
    assert [each.data.revoked_factors for each in await desk.said(events.AccountReset)] == [1, 0]
    assert len(await desk.said(events.SessionsShouldEnd)) == 1
    assert len([name for name, _ in await desk.notices() if name == "account_reset"]) == 2  # mail and phone


async def test_what_nobody_may_is_not_done(desk: Verifier) -> None:
    """A refusal leaves the factor where it was."""
    app = await desk.enrol()
    assert (await desk.ask(RESET, "nobody")).code == "account_not_found"
    for actor, code in (("nobody", "actor_not_an_admin"), (ANN, "not_on_oneself")):
        assert (await desk.ask(RESET.model_copy(update={"acting": Acting(actor=actor)}))).code == code
    await ask_for_proofs(desk)
    assert (await desk.ask(RESET)).code == "actor_proof_required"
    now = await desk.move(2 * STEP)
    await desk.passed((await desk.challenge()).id, app.code(now))
    assert await desk.said(events.AccountReset) == []


async def test_an_admin_is_reset_by_two_with_step_ups_of_their_own(desk: Verifier) -> None:
    """The proofs are real ones here, as they come from the prompt."""
    await ask_for_proofs(desk)
    await desk.account("carol", role="admin")
    await desk.account(ANN, role="admin")
    await desk.enrol(ANN)
    apps = {name: await desk.enrol(name) for name in (BOB, "carol")}
    proofs = {name: await desk.proof(app, name) for name, app in apps.items()}
    alone = Acting(actor=BOB, proof=proofs[BOB])
    assert (await desk.ask(RESET.model_copy(update={"acting": alone}))).code == "approver_required"
    borrowed = alone.model_copy(update={"approver": "carol", "approver_proof": proofs[BOB]})
    assert (await desk.ask(RESET.model_copy(update={"acting": borrowed}))).code == "approver_required"
    both = alone.model_copy(update={"approver": "carol", "approver_proof": proofs["carol"]})
    assert (await desk.data(RESET.model_copy(update={"acting": both})))["revoked_factors"] == 1
    [reset] = await desk.said(events.AccountReset)
    assert reset.data.approver == "carol"


async def test_a_proof_ends_with_the_factor_that_gave_it(desk: Verifier) -> None:
    """An admin whose app was taken off a minute ago shows nothing with the code that it gave before."""
    await ask_for_proofs(desk)
    await desk.account("carol", role="admin")
    await desk.enrol()
    bobs, carols = await desk.enrol(BOB), await desk.enrol("carol")
    bob = Acting(actor=BOB, proof=await desk.proof(bobs, BOB))
    carol = Acting(actor="carol", proof=await desk.proof(carols, "carol"))
    await desk.ask(commands.RevokeFactor(factor_id=bobs.factor_id, proof=bob.proof), BOB)
    assert (await desk.ask(RESET.model_copy(update={"acting": bob}))).code == "actor_proof_required"
    assert (await desk.ask(RESET.model_copy(update={"acting": carol}))).code is None


@pytest.mark.parametrize("is_reset_first", [True, False])
async def test_a_reset_and_a_confirmation_at_once_leave_no_factor(desk: Verifier, is_reset_first: bool) -> None:  # noqa: FBT001
    """What was begun before the reset does not outlive it, whichever of the two comes first."""
    started = await desk.start()
    assert started.totp is not None
    code = pyotp.TOTP(started.totp.seed).at(await desk.now())
    reset, confirmed = await _in_turn(
        desk, lambda: desk.ask(RESET), lambda: desk.confirm(started.factor.id, code), is_first=is_reset_first
    )
    assert (reset.code, confirmed.code) == (None, "factor_not_pending" if is_reset_first else None)
    assert (await desk.data(ReadSecurity()))["factors"] == []
    assert [each.data.revoked_factors for each in await desk.said(events.AccountReset)] == [int(not is_reset_first)]


@pytest.mark.parametrize("is_reset_first", [True, False])
async def test_a_reset_and_a_right_code_at_once_have_one_order(desk: Verifier, is_reset_first: bool) -> None:  # noqa: FBT001
    """Either the login came first and its session is told to end, or its challenge is over; never a late success."""
    app = await desk.enrol()
    now = await desk.move(2 * STEP)
    challenge = await desk.challenge()
    reset, verified = await _in_turn(
        desk, lambda: desk.ask(RESET), lambda: desk.verify(challenge.id, app.code(now)), is_first=is_reset_first
    )
    assert (reset.code, verified.code) == (None, "challenge_not_open" if is_reset_first else None)
    assert len(await desk.said(events.ChallengeVerified)) == 1 + (not is_reset_first)  # the enrolment's, and this
    assert len(await desk.said(events.SessionsShouldEnd)) == 1


async def _in_turn(
    desk: Verifier, one: Callable[[], Awaitable[T]], other: Callable[[], Awaitable[T]], *, is_first: bool
) -> list[T]:
    """Both wait for the account, which they get in the order in which they came; ``is_first``: ``one`` does."""
    async with asyncio.TaskGroup() as tasks, desk.database.transaction([desk.tenant_id]) as conn:
        await lock_account(conn, desk.tenant_id, ANN)
        begun = []
        for number, call in enumerate((one, other) if is_first else (other, one), start=1):
            begun.append(tasks.create_task(_awaited(call)))
            await eventually(lambda: _count_waiting(desk), lambda waiting, number=number: waiting == number)  # type: ignore[misc]
    done = [task.result() for task in begun]
    return done if is_first else done[::-1]


async def _awaited(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


async def _count_waiting(desk: Verifier) -> int:
    found = await desk.admin.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    assert isinstance(found, int)
    return found


async def by_backup_code(desk: Verifier, bobs: Authenticator, number: int) -> ResetAccount:
    """Bob steps up with one of his codes, and resets ann."""
    challenge = await desk.challenge(BOB, purpose=Purpose.STEP_UP, context=Context(ip=f"192.0.2.{number}"))
    await desk.passed(challenge.id, bobs.backup_codes[number], kind="backup_code", account_id=BOB)
    return RESET.model_copy(update={"acting": Acting(actor=BOB, proof=challenge.id)})


async def test_a_proof_by_a_code_that_is_void_by_now_proves_nothing(desk: Verifier) -> None:
    """Bob finds his sheet photographed and makes new codes: whoever typed an old one a minute ago acts for him no more,
    and bob goes on.
    """
    await ask_for_proofs(desk)
    await desk.enrol()
    bobs = await desk.enrol(BOB)
    thiefs, owners = await by_backup_code(desk, bobs, 0), await by_backup_code(desk, bobs, 1)
    assert owners.acting.proof is not None
    assert (await desk.ask(commands.RegenerateBackupCodes(proof=owners.acting.proof), BOB)).code is None
    assert (await desk.ask(thiefs)).code == "actor_proof_required"
    assert (await desk.ask(owners)).code is None


async def test_after_not_me_no_step_up_by_a_code_acts_for_the_admin(desk: Verifier) -> None:
    """The notice said that a code was used, and bob says that it was not him."""
    await ask_for_proofs(desk)
    await desk.enrol()
    thiefs = await by_backup_code(desk, await desk.enrol(BOB), 0)
    disputed = events.NoticeDisputed(
        delivery_id=DeliveryId(new_id()), notification=Notification.BACKUP_CODE_USED, channel=Channel.EMAIL
    )
    await desk.hear(disputed, BOB)
    assert (await desk.ask(thiefs)).code == "actor_proof_required"


async def test_an_admins_proof_changes_no_factor_of_somebody_else(desk: Verifier) -> None:
    """`actor_proof` and `proof` are one person's each: an admin adds no phone of theirs to ann's account."""
    await desk.enrol()
    bobs = await desk.enrol(BOB)
    proof = await desk.proof(bobs, BOB)
    assert (await desk.ask(commands.StartEnrolment(factor_type=FactorType.TOTP, proof=proof))).code == "proof_required"


async def test_the_same_proof_twice_at_once_resets_once(desk: Verifier) -> None:
    """A double click in the helpdesk goes out on two connections: within its ten minutes a proof serves both, and what
    it does is done once.
    """
    await ask_for_proofs(desk)
    await desk.enrol()
    proof = await desk.proof(await desk.enrol(BOB), BOB)
    reset = RESET.model_copy(update={"acting": Acting(actor=BOB, proof=proof)})
    both = await desk.at_once(lambda: desk.data(reset), lambda: desk.data(reset))
    assert sorted(each["revoked_factors"] for each in both) == [0, 1]
    assert len(await desk.said(events.SessionsShouldEnd)) == 1


async def test_an_actor_whose_factor_goes_at_the_same_moment_acts_before_it_or_not_at_all(desk: Verifier) -> None:
    """The owner takes the stolen phone off while its thief resets somebody: never a reset on a proof that was gone."""
    await ask_for_proofs(desk)
    await desk.enrol()
    bobs = await desk.enrol(BOB)
    thiefs = RESET.model_copy(update={"acting": Acting(actor=BOB, proof=await desk.proof(bobs, BOB))})
    owners = await desk.proof(bobs, BOB)
    revoke = commands.RevokeFactor(factor_id=bobs.factor_id, proof=owners)
    [reset, revoked] = await desk.at_once(lambda: desk.ask(thiefs), lambda: desk.ask(revoke, BOB))
    assert revoked.code is None
    assert reset.code in (None, "actor_proof_required")
    assert (await desk.ask(thiefs)).code == "actor_proof_required"
