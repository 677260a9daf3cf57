"""Backup codes and recovery keys as they are made: shown once, kept as hashes, the ones before void."""

from dataclasses import dataclass, field, replace

from services.otp_worker.adapters.backup_hashes import hash_codes, new_codes
from services.otp_worker.announcements import Cause, codes_generated
from services.otp_worker.domain.account import Account, AccountState
from services.otp_worker.domain.backup_code import BackupCode, Kind
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.queries.backup_codes import NewCode, insert_backup_codes, void_backup_codes
from shared.ids import new_id
from shared.messaging.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCodes:
    """What its owner is shown, this once. None: the policy makes none of that kind."""

    backup_codes: tuple[str, ...] | None = field(default=None, repr=False)
    recovery_key: str | None = field(default=None, repr=False)


async def make_codes(cause: Cause, uow: UnitOfWork, changes: Changes, account: Account) -> ShownCodes:
    """All that the policy says, in place of all there was."""
    codes = new_codes() if account.policy.has_backup_codes else []
    keys = new_codes(1) if account.policy.has_recovery_key else []
    typed = [*((Kind.BACKUP_CODE, code) for code in codes), *((Kind.RECOVERY_KEY, key) for key in keys)]
    await void_backup_codes(uow.conn, account.tenant_id, account.id, at=account.now)
    set_id = new_id()
    await insert_backup_codes(
        uow.conn, account.tenant_id, account.id, await _hashed(typed), set_id=set_id, at=account.now
    )
    state = changes.accounts.get(account.key, account.state)
    changes.keep(
        account,
        replace(
            state,
            backup_set_id=set_id if codes else None,
            backup_generated_at=account.now if codes else None,
            backup_acknowledged_at=None,
            recovery_key_made_at=account.now if keys else None,
            recovery_key_acknowledged_at=None,
        ),
    )
    for kind, count in ((Kind.BACKUP_CODE, len(codes)), (Kind.RECOVERY_KEY, len(keys))):
        changes.say(codes_generated(cause, account, kind, count))
    return ShownCodes(
        backup_codes=tuple(code.written() for code in codes) or None, recovery_key=keys[0].written() if keys else None
    )


async def replace_key(cause: Cause, uow: UnitOfWork, changes: Changes, account: Account) -> str:
    """A new recovery key for the one that was just used, whatever the policy says by now: its owner leaned on one.

    It is shown in the answer of that use and nowhere else. If that answer is lost for good, its owner learns from the
    notice that a new one was made, sees that nobody said it is saved, and makes another.
    """
    [key] = new_codes(1)
    await insert_backup_codes(
        uow.conn,
        account.tenant_id,
        account.id,
        await _hashed([(Kind.RECOVERY_KEY, key)]),
        set_id=account.state.backup_set_id or new_id(),
        at=account.now,
    )
    state = changes.accounts.get(account.key, account.state)
    changes.keep(account, replace(state, recovery_key_made_at=account.now, recovery_key_acknowledged_at=None))
    changes.say(codes_generated(cause, account, Kind.RECOVERY_KEY, 1))
    return key.written()


def acknowledged(account: Account) -> AccountState:
    """The person says that what was shown last is saved. The first time counts."""
    state = account.state
    return replace(
        state,
        backup_acknowledged_at=state.backup_generated_at and (state.backup_acknowledged_at or account.now),
        recovery_key_acknowledged_at=state.recovery_key_made_at and (state.recovery_key_acknowledged_at or account.now),
    )


async def _hashed(typed: list[tuple[Kind, BackupCode]]) -> list[NewCode]:
    hashes = await hash_codes([code for _, code in typed])
    return [
        NewCode(code_id=new_id(), kind=kind, slot=code.slot, hash=stored)
        for (kind, code), stored in zip(typed, hashes, strict=True)
    ]
