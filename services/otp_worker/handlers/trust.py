"""Trusted devices: they end when the factors or the password under them change."""

from dataclasses import replace

from services.otp_worker.announcements import Cause, devices_revoked
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.locked import lock
from services.otp_worker.queries.erasures import is_from_before
from services.otp_worker.queries.trusted_devices import list_devices, revoke_devices
from shared.contracts.commands import RevokeTrustedDevices
from shared.contracts.envelope import Envelope
from shared.contracts.events import AccountPasswordChanged
from shared.contracts.replies import RefusalCode, RevokedDevices
from shared.messaging.outcome import Done, Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork


async def end_trusts(cause: Cause, uow: UnitOfWork, changes: Changes, account: Account, reason: str) -> int:
    """A factor came or went: the epoch moves on, and every trust given under the old one is over. How many were."""
    state = changes.state_of(account)
    changes.keep(account, replace(state, factor_epoch=state.factor_epoch + 1))
    devices = await list_devices(uow.conn, account.tenant_id, account.id)
    ids = [device.id for device in devices]
    revoked = await revoke_devices(uow.conn, account.tenant_id, account.id, ids, at=account.now) if ids else []
    changes.say(devices_revoked(cause, account, revoked, reason))
    return len(revoked)


async def revoke_trusted_devices(asked: Envelope[RevokeTrustedDevices], uow: UnitOfWork, _: Deps) -> Outcome:
    """End the trust of one, or of all."""
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    account, wanted = locked.account, asked.data.device_id
    devices = await list_devices(uow.conn, account.tenant_id, account.id)
    ids = [device.id for device in devices if wanted in (None, device.id)]
    if wanted is not None and not ids:
        return refuse(RefusalCode.DEVICE_NOT_FOUND)
    revoked = await revoke_devices(uow.conn, account.tenant_id, account.id, ids, at=account.now)
    uow.publish(*devices_revoked(asked, account, revoked, "asked"))
    return Ok(RevokedDevices(revoked=len(revoked)))


async def note_password_change(told: Envelope[AccountPasswordChanged], uow: UnitOfWork, _: Deps) -> Outcome:
    """The devices that were trusted under the old password are trusted no more. An older report changes nothing, nor
    does one of who had the id before.
    """
    locked = await lock(uow, told.tenant_id, told.account_id)
    if locked is None or await is_from_before(uow.conn, *locked.account.key, told.time):
        return Done()
    account = locked.account
    changed_at = min(told.data.changed_at, account.now)
    latest = max(changed_at, account.state.password_changed_at or changed_at)
    changes = Changes()
    changes.keep(account, replace(account.state, password_changed_at=latest))
    devices = await list_devices(uow.conn, account.tenant_id, account.id)
    ids = [device.id for device in devices if device.created_at <= latest]
    revoked = await revoke_devices(uow.conn, account.tenant_id, account.id, ids, at=account.now)
    changes.say(devices_revoked(told, account, revoked, "password_changed"))
    await changes.store(uow)
    return Done()
