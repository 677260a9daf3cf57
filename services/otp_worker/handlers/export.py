"""A tenant leaves, or keeps a copy: what nobody but this service can open, sealed to the tenant's own key.

The key is the permit's, which the operator's role alone can write: a message that names another one does not exist.
"""

import datetime as dt
import json
from collections.abc import Sequence
from uuid import UUID

from services.otp_worker.adapters.age import seal_to
from services.otp_worker.adapters.foreign_codes import code_place, open_hash
from services.otp_worker.adapters.seeds import open_seed, seed_place
from services.otp_worker.deps import Deps
from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.totp import base32
from services.otp_worker.queries.export import (
    LeavingAccount,
    LeavingCode,
    find_recipient,
    load_leaving_accounts,
    load_leaving_codes,
    load_leaving_keys,
)
from services.otp_worker.queries.factors import load_factors
from shared.contracts.commands import ExportAccounts
from shared.contracts.envelope import Envelope
from shared.contracts.moving import OWN_SHAPE
from shared.contracts.replies import ExportedPage, RefusalCode
from shared.contracts.types import Channel, Contact, FactorType
from shared.crypto.sealing import contact_place, unseal
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork

PAGE = 50  # accounts; a page of them is some 100 KiB


async def export_accounts(asked: Envelope[ExportAccounts], uow: UnitOfWork, deps: Deps) -> Outcome:
    """The next page. Raises `UnknownKey`, `BrokenSeal`: a copy with holes in it is none."""
    recipient = await find_recipient(uow.conn, asked.tenant_id, asked.data.permit_id)
    if recipient is None:
        return refuse(RefusalCode.NOT_PERMITTED)
    accounts = await load_leaving_accounts(uow.conn, asked.tenant_id, asked.data.after, limit=PAGE)
    keys = [(asked.tenant_id, account.id) for account in accounts]
    factors = await load_factors(uow.conn, keys)
    codes = await load_leaving_codes(uow.conn, keys)
    recovery_keys = await load_leaving_keys(uow.conn, keys)
    lines = [
        _line(deps, asked.tenant_id, account, factors[key], codes[key], recovery_keys.get(key))
        for key, account in zip(keys, accounts, strict=True)
    ]
    sealed = await seal_to(recipient, "".join(f"{line}\n" for line in lines).encode())
    has_more = len(accounts) == PAGE
    return Ok(ExportedPage(sealed=sealed, accounts=len(accounts), next_after=accounts[-1].id if has_more else None))


def _line(
    deps: Deps,
    tenant_id: UUID,
    account: LeavingAccount,
    factors: Sequence[Factor],
    codes: Sequence[LeavingCode],
    recovery_key: str | None,
) -> str:
    """An account as `deskfactor import` reads it."""
    held = [factor for factor in factors if factor.is_held]
    document: dict[str, object] = {
        "account_id": account.id,
        "role": account.role.value,
        "email": _clear(deps, tenant_id, account, account.email, Channel.EMAIL),
        "email_verified": account.email_verified,
        "phone": _clear(deps, tenant_id, account, account.phone, Channel.SMS),
        "locale": account.locale,
        "time_zone": account.time_zone,
        "sso": account.is_sso,
        "active": account.is_active,
        "totp": [
            {"seed": _seed(deps, tenant_id, account, factor), "name": factor.name}
            for factor in held
            if factor.seed is not None
        ],
        "sms": _destinations(deps, tenant_id, account, held, FactorType.SMS, Channel.SMS),
        "email_factor": _destinations(deps, tenant_id, account, held, FactorType.EMAIL, Channel.EMAIL),
        "backup_codes": [_code(deps, tenant_id, account, code) for code in codes],
        "recovery_key": {"hash": recovery_key, "shape": OWN_SHAPE} if recovery_key is not None else None,
        "created_at": account.created_at.isoformat(),
        "enforcement": {
            "is_individually_required": account.is_individually_required,
            "exempt_until": _instant(account.exempt_until),
            "extended_until": _instant(account.extended_until),
            "must_enrol_since": _instant(account.must_enrol_since),
        },
    }
    return json.dumps({name: value for name, value in document.items() if value not in (None, [])}, ensure_ascii=False)


def _instant(at: dt.datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def _clear(
    deps: Deps, tenant_id: UUID, account: LeavingAccount, contact: Contact | None, channel: Channel
) -> str | None:
    if contact is None:
        return None
    return unseal(deps.notifier, contact.sealed, contact_place(tenant_id, account.id, channel.value)).reveal()


def _destinations(
    deps: Deps, tenant_id: UUID, account: LeavingAccount, held: Sequence[Factor], kind: FactorType, channel: Channel
) -> list[dict[str, str | None]]:
    return [
        {"to": _clear(deps, tenant_id, account, factor.contact, channel), "name": factor.name}
        for factor in held
        if factor.type is kind
    ]


def _seed(deps: Deps, tenant_id: UUID, account: LeavingAccount, factor: Factor) -> str:
    assert factor.seed is not None
    assert account.tenant_key is not None
    assert account.account_key is not None
    opened = open_seed(
        deps.master_key,
        factor.seed,
        tenant_key=account.tenant_key,
        account_key=account.account_key,
        place=seed_place(tenant_id, account.id, factor.id),
    )
    return base32(opened.reveal())


def _code(deps: Deps, tenant_id: UUID, account: LeavingAccount, code: LeavingCode) -> dict[str, str]:
    if not code.is_foreign:
        return {"hash": code.hash, "shape": OWN_SHAPE}
    assert account.tenant_key is not None
    assert account.account_key is not None
    opened = open_hash(
        deps.master_key,
        code.hash,
        tenant_key=account.tenant_key,
        account_key=account.account_key,
        place=code_place(tenant_id, account.id, code.code_id),
    )
    return {"hash": opened} | ({"shape": code.shape} if code.shape is not None else {})
