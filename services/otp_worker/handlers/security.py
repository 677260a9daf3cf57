"""What an account has enrolled, and its backup codes as a set."""

from dataclasses import replace

from services.otp_worker.announcements import notice
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.domain.enrolment import is_fresh_proof
from services.otp_worker.domain.throttle import code_factors_closed_until
from services.otp_worker.domain.trusted_device import TrustedDevice, is_trusted
from services.otp_worker.domain.views import factor_view
from services.otp_worker.handlers.backup_codes import make_backup_codes
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.locked import lock, proof_of
from services.otp_worker.queries.accounts import load_accounts
from services.otp_worker.queries.backup_codes import count_backup_codes
from services.otp_worker.queries.factors import load_factors
from services.otp_worker.queries.trusted_devices import list_devices
from shared.contracts.commands import AcknowledgeBackupCodes, ReadSecurity, RegenerateBackupCodes
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.contracts.replies import (
    BackupCodesAnswer,
    BackupCodesStatus,
    RefusalCode,
    SecurityView,
    TrustedDeviceView,
)
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork


async def read_security(asked: Envelope[ReadSecurity], uow: UnitOfWork, _: Deps) -> Outcome:
    """Factors, backup codes and trusts as they hold now."""
    key = asked.tenant_id, asked.account_id or ""
    account = (await load_accounts(uow.conn, [key])).get(key)
    if account is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    factors = (await load_factors(uow.conn, [key]))[key]
    devices = await list_devices(uow.conn, *key)
    alive = [factor for factor in factors if factor.expires_at is None or account.now < factor.expires_at]
    view = SecurityView(
        factors=tuple(factor_view(factor) for factor in sorted(alive, key=lambda factor: factor.id.int)),
        backup_codes=await _status(uow, account),
        trusted_devices=tuple(_device_view(device) for device in devices if _holds(device, account)),
        throttled_until=code_factors_closed_until(account.state.throttle, account.now),
    )
    return Ok(view)


async def regenerate_backup_codes(asked: Envelope[RegenerateBackupCodes], uow: UnitOfWork, _: Deps) -> Outcome:
    """Ten new ones on a fresh proof; the old ones are void from this commit on."""
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    account = locked.account
    if not locked.held or not is_fresh_proof(await proof_of(uow, account, asked.data.proof), account.now):
        return refuse(RefusalCode.PROOF_REQUIRED)
    changes = Changes()
    codes = await make_backup_codes(asked, uow, changes, account)
    changes.say(notice(asked, account, locked.held, Notification.BACKUP_CODES_GENERATED, left=len(codes)))
    await changes.store(uow)
    return Ok(BackupCodesAnswer(backup_codes=codes), holds_secret=True)


async def acknowledge_backup_codes(asked: Envelope[AcknowledgeBackupCodes], uow: UnitOfWork, _: Deps) -> Outcome:
    """The person says that they are saved. The first time counts."""
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    account = locked.account
    if account.state.backup_set_id is None:
        return refuse(RefusalCode.NO_BACKUP_CODES)
    at = account.state.backup_acknowledged_at or account.now
    acknowledged = replace(account, state=replace(account.state, backup_acknowledged_at=at))
    changes = Changes()
    changes.keep(acknowledged, acknowledged.state)
    await changes.store(uow)
    return Ok(await _status(uow, acknowledged))


async def _status(uow: UnitOfWork, account: Account) -> BackupCodesStatus:
    left = await count_backup_codes(uow.conn, [account.key])
    return BackupCodesStatus(
        codes_left=left.get(account.key, 0),
        generated_at=account.state.backup_generated_at,
        acknowledged_at=account.state.backup_acknowledged_at,
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
