"""Backup codes that a person has from another system: good once each, until they make new ones here."""

from services.otp_worker.adapters.foreign_codes import code_place, fitting, open_hash
from services.otp_worker.adapters.sealed import open_typed
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.queries.backup_codes import StoredCode
from services.otp_worker.queries.moving import load_imported_codes
from shared.contracts.commands import VerifyCode
from shared.contracts.envelope import Envelope
from shared.messaging.unit_of_work import UnitOfWork


async def has_foreign_codes(uow: UnitOfWork, account: Account) -> bool:
    """Whether what is typed as a backup code is to be looked for among these."""
    return bool(await load_imported_codes(uow.conn, account.tenant_id, account.id))


async def find_foreign_code(
    typed: Envelope[VerifyCode], uow: UnitOfWork, deps: Deps, account: Account
) -> StoredCode | None:
    """The code that was typed, used or not; None: none of them. Raises `UnknownKey`."""
    assert typed.data.backup_code is not None
    opened = open_typed(deps.typed, typed.data.backup_code, typed.tenant_id, str(typed.data.challenge_id))
    if opened is None or account.tenant_key is None or account.account_key is None:
        return None
    codes = await load_imported_codes(uow.conn, account.tenant_id, account.id)
    hashes = [(_open(deps, account, code), shape) for code, shape in codes]
    fits = await fitting(hashes, opened)
    found = [code for (code, _), is_fitting in zip(codes, fits, strict=True) if is_fitting]
    return min(found, key=lambda code: code.used_at is not None, default=None)


def _open(deps: Deps, account: Account, code: StoredCode) -> str:
    assert account.tenant_key is not None
    assert account.account_key is not None
    return open_hash(
        deps.master_key,
        code.hash,
        tenant_key=account.tenant_key,
        account_key=account.account_key,
        place=code_place(account.tenant_id, account.id, code.code_id),
    )
