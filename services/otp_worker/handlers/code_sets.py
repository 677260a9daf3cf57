"""Backup codes and recovery keys as they are made: shown once, kept as hashes, the ones before void."""

import datetime as dt
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.otp_worker.adapters.backup_hashes import hash_codes, new_codes
from services.otp_worker.announcements import Cause, codes_generated
from services.otp_worker.domain.account import Account, AccountState
from services.otp_worker.domain.backup_code import BackupCode, Kind
from services.otp_worker.handlers.changes import Changes, LostUpdate
from services.otp_worker.queries.backup_codes import NewCode, insert_backup_codes, void_backup_codes
from services.otp_worker.queries.pending_codes import PendingSet, activate_pending_set
from shared.ids import new_id
from shared.messaging.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCodes:
    """What its owner is shown, this once. None: the policy makes none of that kind."""

    backup_codes: tuple[str, ...] | None = field(default=None, repr=False)
    recovery_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A set as the policy says, in clear for its owner."""

    set_id: UUID
    codes: list[BackupCode] = field(repr=False)
    keys: list[BackupCode] = field(repr=False)

    def shown(self) -> ShownCodes:
        """As its owner writes it down."""
        return ShownCodes(
            backup_codes=tuple(code.written() for code in self.codes) or None,
            recovery_key=self.keys[0].written() if self.keys else None,
        )


async def make_codes(cause: Cause, uow: UnitOfWork, changes: Changes, account: Account) -> ShownCodes:
    """All that the policy says, in place of all there was, good from now on."""
    await void_backup_codes(uow.conn, account.tenant_id, account.id, at=account.now)
    made = await _make(uow, account, pending_until=None)
    _announce(cause, changes, account, made.set_id, codes=len(made.codes), keys=len(made.keys), made_at=account.now)
    return made.shown()


async def prepare_codes(uow: UnitOfWork, account: Account, pending_until: dt.datetime) -> ShownCodes:
    """All that the policy says, to be saved before the first factor is active: good for nothing until then.

    Only for an account that holds no factor: whatever codes it has stand in for nothing. Whoever begins again is shown
    others, and those of the first beginning are void. Crashes leave nothing to repair: what is not activated in time is
    over by its instant.
    """
    await void_backup_codes(uow.conn, account.tenant_id, account.id, at=account.now)
    return (await _make(uow, account, pending_until=pending_until)).shown()


async def activate_codes(
    cause: Cause, uow: UnitOfWork, changes: Changes, account: Account, waiting: PendingSet
) -> None:
    """The factor that they waited for is active. Raises `LostUpdate`: they are not as they were read."""
    await void_backup_codes(uow.conn, account.tenant_id, account.id, at=account.now, but=waiting.set_id)
    activated = await activate_pending_set(uow.conn, account.tenant_id, account.id, waiting.set_id)
    if activated != waiting.codes + waiting.keys:
        raise LostUpdate("codes")
    _announce(
        cause,
        changes,
        account,
        waiting.set_id,
        codes=waiting.codes,
        keys=waiting.keys,
        made_at=waiting.made_at,
        acknowledged_at=waiting.acknowledged_at,
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
    state = changes.state_of(account)
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


async def _make(uow: UnitOfWork, account: Account, *, pending_until: dt.datetime | None) -> _Made:
    codes = new_codes() if account.policy.has_backup_codes else []
    keys = new_codes(1) if account.policy.has_recovery_key else []
    made = _Made(set_id=new_id(), codes=codes, keys=keys)
    typed = [*((Kind.BACKUP_CODE, code) for code in codes), *((Kind.RECOVERY_KEY, key) for key in keys)]
    await insert_backup_codes(
        uow.conn,
        account.tenant_id,
        account.id,
        await _hashed(typed),
        set_id=made.set_id,
        at=account.now,
        pending_until=pending_until,
    )
    return made


def _announce(
    cause: Cause,
    changes: Changes,
    account: Account,
    set_id: UUID,
    *,
    codes: int,
    keys: int,
    made_at: dt.datetime,
    acknowledged_at: dt.datetime | None = None,
) -> None:
    """A set is good from now on."""
    state = changes.state_of(account)
    changes.keep(
        account,
        replace(
            state,
            backup_set_id=set_id if codes else None,
            backup_generated_at=made_at if codes else None,
            backup_acknowledged_at=acknowledged_at if codes else None,
            recovery_key_made_at=made_at if keys else None,
            recovery_key_acknowledged_at=acknowledged_at if keys else None,
        ),
    )
    for kind, count in ((Kind.BACKUP_CODE, codes), (Kind.RECOVERY_KEY, keys)):
        changes.say(codes_generated(cause, account, kind, count))


async def _hashed(typed: list[tuple[Kind, BackupCode]]) -> list[NewCode]:
    hashes = await hash_codes([code for _, code in typed])
    return [
        NewCode(code_id=new_id(), kind=kind, slot=code.slot, hash=stored)
        for (kind, code), stored in zip(typed, hashes, strict=True)
    ]
