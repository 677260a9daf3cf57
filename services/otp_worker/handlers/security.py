"""What an account has enrolled, and its backup codes as a set."""

from dataclasses import replace

from services.otp_worker.announcements import codes_notice
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account, AccountState
from services.otp_worker.domain.enrolment import is_fresh_proof
from services.otp_worker.domain.throttle import code_factors_closed_until
from services.otp_worker.domain.trusted_device import TrustedDevice, is_trusted
from services.otp_worker.domain.views import factor_view
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.code_sets import acknowledged, make_codes
from services.otp_worker.handlers.locked import lock, proof_of
from services.otp_worker.queries.backup_codes import count_codes
from services.otp_worker.queries.pending_codes import PendingSet, acknowledge_pending_set, find_pending_set
from services.otp_worker.queries.people import load_people
from services.otp_worker.queries.trusted_devices import list_devices
from shared.contracts.commands import AcknowledgeBackupCodes, ReadSecurity, RegenerateBackupCodes
from shared.contracts.envelope import Envelope
from shared.contracts.replies import (
    BackupCodesAnswer,
    BackupCodesStatus,
    PendingCodesStatus,
    RecoveryKeyStatus,
    RefusalCode,
    SecurityView,
    TrustedDeviceView,
)
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.advice import keeping


async def read_security(asked: Envelope[ReadSecurity], uow: UnitOfWork, _: Deps) -> Outcome:
    """Factors, backup codes and trusts as they hold now."""
    key = asked.tenant_id, asked.account_id or ""
    accounts, factors = await load_people(uow.conn, [key])
    account = accounts.get(key)
    if account is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    devices = await list_devices(uow.conn, *key)
    alive = [factor for factor in factors[key] if factor.expires_at is None or account.now < factor.expires_at]
    view = SecurityView(
        factors=tuple(factor_view(factor) for factor in sorted(alive, key=lambda factor: factor.id.int)),
        backup_codes=await _status(uow, account),
        trusted_devices=tuple(_device_view(device) for device in devices if _holds(device, account)),
        throttled_until=code_factors_closed_until(account.state.throttle, account.now),
    )
    return Ok(view)


async def regenerate_backup_codes(asked: Envelope[RegenerateBackupCodes], uow: UnitOfWork, _: Deps) -> Outcome:
    """All that the policy says, on a fresh proof; the old ones are void from this commit on."""
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    account = locked.account
    proof = await proof_of(uow, account, asked.data.proof)
    if proof is None or not locked.held or not is_fresh_proof(proof, account, locked.held):
        return refuse(RefusalCode.PROOF_REQUIRED)
    changes = Changes()
    # whoever showed one of the old codes has to show something again; who replaces them goes on
    changes.keep(account, replace(account.state, proofs_from=account.now, carried_proof_id=proof.id))
    made = await make_codes(asked, uow, changes, account)
    count, has_key = len(made.backup_codes or ()), made.recovery_key is not None
    changes.say(codes_notice(asked, account, locked.held, codes=count, has_key=has_key))
    await changes.store(uow)
    answer = BackupCodesAnswer(
        backup_codes=made.backup_codes,
        recovery_key=made.recovery_key,
        guidance=keeping(made.backup_codes, made.recovery_key),
    )
    return Ok(answer, holds_secret=True)


async def acknowledge_backup_codes(asked: Envelope[AcknowledgeBackupCodes], uow: UnitOfWork, _: Deps) -> Outcome:
    """The person says that they are saved. The first time counts."""
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    account = locked.account
    waiting = await find_pending_set(uow.conn, *account.key, at=account.now)
    if waiting is not None:  # what was shown last
        await acknowledge_pending_set(uow.conn, *account.key, waiting.set_id, at=account.now)
        return Ok(await _status(uow, account))
    if account.state.backup_set_id is None and account.state.recovery_key_made_at is None:
        return refuse(RefusalCode.NO_BACKUP_CODES)
    changes, state = Changes(), acknowledged(account)
    changes.keep(account, state)
    await changes.store(uow)
    return Ok(await _status(uow, replace(account, state=state)))


async def _status(uow: UnitOfWork, account: Account) -> BackupCodesStatus:
    state = account.state
    left = (await count_codes(uow.conn, [account.key]))[account.key]
    return BackupCodesStatus(
        codes_left=left.backup_codes,
        generated_at=state.backup_generated_at,
        acknowledged_at=state.backup_acknowledged_at,
        recovery_key=_key_status(state),
        pending=_pending_status(await find_pending_set(uow.conn, *account.key, at=account.now)),
    )


def _key_status(state: AccountState) -> RecoveryKeyStatus | None:
    if state.recovery_key_made_at is None:
        return None
    return RecoveryKeyStatus(made_at=state.recovery_key_made_at, acknowledged_at=state.recovery_key_acknowledged_at)


def _pending_status(waiting: PendingSet | None) -> PendingCodesStatus | None:
    if waiting is None:
        return None
    return PendingCodesStatus(
        made_at=waiting.made_at, expires_at=waiting.pending_until, acknowledged_at=waiting.acknowledged_at
    )


def _holds(device: TrustedDevice, account: Account) -> bool:
    return is_trusted(
        device,
        factor_epoch=account.state.factor_epoch,
        password_changed_at=account.password_changed_at,
        methods=account.policy.methods,
        trusted_device_days=account.policy.trusted_device_days,
        now=account.now,
    )


def _device_view(device: TrustedDevice) -> TrustedDeviceView:
    return TrustedDeviceView(
        id=device.id,
        name=device.name,
        created_at=device.created_at,
        expires_at=device.expires_at,
        last_used_at=device.last_used_at,
    )
