"""Factors and backup codes from another system: active at once, and nobody is told, for nothing is new to them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.otp_worker.adapters.foreign_codes import code_place, import_digest, is_known, open_moved, seal_hash
from services.otp_worker.adapters.seeds import seal_seed, seed_place
from services.otp_worker.announcements import say
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.domain.factor import Factor, default_name
from services.otp_worker.domain.moving import TakenOver, admit, free_slots
from services.otp_worker.domain.totp import seed_of
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.enrolment import expire_pending
from services.otp_worker.handlers.locked import Locked, lock
from services.otp_worker.handlers.seeds import DataKeys, data_keys
from services.otp_worker.handlers.trust import end_trusts
from services.otp_worker.queries.moving import (
    ImportedCode,
    has_import_permit,
    insert_imported_codes,
    insert_imported_factor,
    load_taken_over,
)
from shared.contracts import events
from shared.contracts.commands import ImportFactors
from shared.contracts.envelope import Envelope
from shared.contracts.moving import MovedCode
from shared.contracts.replies import ImportedFactors, RefusalCode
from shared.contracts.types import ChallengeId, Contact, FactorId, FactorState, FactorType
from shared.ids import new_id
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.secret import Secret

Import = Envelope[ImportFactors]


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewFactor:
    type: FactorType
    name: str
    imported_as: str
    seed: bytes | None = field(default=None, repr=False)
    contact: Contact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewCode:
    code: MovedCode
    imported_as: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What was not taken over before, and how much was."""

    factors: Sequence[_NewFactor]
    codes: Sequence[_NewCode]
    known: int


async def import_factors(asked: Import, uow: UnitOfWork, deps: Deps) -> Outcome:
    """Take over what is new. What was taken over before, and used or removed since, stays as its owner left it."""
    if not await has_import_permit(uow.conn, asked.tenant_id, asked.data.permit_id):
        return refuse(RefusalCode.NOT_PERMITTED)
    locked = await lock(uow, asked.tenant_id, asked.account_id)
    if locked is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    taken = await load_taken_over(uow.conn, *locked.account.key)
    wanted = _wanted(asked, deps, locked.account, taken)
    admission = admit(taken, new_factors=len(wanted.factors), new_codes=len(wanted.codes))
    factors = wanted.factors if admission.factors else ()
    codes = wanted.codes if admission.codes else ()
    if factors or codes:
        await _take(asked, uow, deps, locked, taken, factors, codes)
    return Ok(
        ImportedFactors(factors=len(factors), backup_codes=len(codes), known=wanted.known, refused=admission.refused)
    )


def _wanted(asked: Import, deps: Deps, account: Account, taken: TakenOver) -> _Wanted:
    """Raises `BrokenSeal` for what was sealed for another account."""
    secrets = open_moved(deps.typed, asked.data.secrets, account.tenant_id, account.id)
    factors: dict[tuple[str, str], _NewFactor] = {}
    codes: dict[tuple[str, str], _NewCode] = {}

    def mark(kind: str, value: str) -> str:
        return import_digest(deps.digests, account.tenant_id, account.id, kind, value)

    for moved in secrets.seeds:
        name = moved.name or default_name(FactorType.TOTP)
        factors["totp", moved.seed] = _NewFactor(
            type=FactorType.TOTP, name=name, seed=seed_of(moved.seed), imported_as=mark("totp", moved.seed)
        )
    for to in asked.data.destinations:
        kind, name = to.type.value, to.name or default_name(to.type)
        factors[kind, to.contact.digest] = _NewFactor(
            type=to.type, name=name, contact=to.contact, imported_as=mark(kind, to.contact.digest)
        )
    for code in secrets.codes:
        codes["code", code.hash] = _NewCode(code=code, imported_as=mark("code", code.hash))

    def is_new(key: tuple[str, str]) -> bool:
        return not is_known(deps.digests, taken.digests, account.tenant_id, account.id, *key)

    new_factors = [each for key, each in factors.items() if is_new(key)]
    new_codes = [each for key, each in codes.items() if is_new(key)]
    known = len(factors) + len(codes) - len(new_factors) - len(new_codes)
    return _Wanted(factors=new_factors, codes=new_codes, known=known)


async def _take(
    asked: Import,
    uow: UnitOfWork,
    deps: Deps,
    locked: Locked,
    taken: TakenOver,
    factors: Sequence[_NewFactor],
    codes: Sequence[_NewCode],
) -> None:
    account, changes = locked.account, Changes()
    keys = await data_keys(uow, deps, account)
    changes.keep(account, account.state)
    for number, new in enumerate(factors):
        factor = await _insert(uow, deps, account, keys, new)
        is_first = not locked.held and number == 0
        confirmed = events.FactorConfirmed(
            factor_id=factor.id, factor_type=factor.type, is_first=is_first, is_imported=True
        )
        changes.say([say(asked, account, confirmed)])
    if factors:
        first = account.state.first_enrolled_at or account.now
        changes.keep(account, replace(account.state, first_enrolled_at=first))
        await expire_pending(asked, uow, changes, account, locked.factors, "factors_imported")
        await end_trusts(asked, uow, changes, account, "factors_changed")
    if codes:
        await _take_codes(asked, uow, deps, changes, account, keys, taken, codes)
    await changes.store(uow)


async def _insert(uow: UnitOfWork, deps: Deps, account: Account, keys: DataKeys, new: _NewFactor) -> Factor:
    factor_id = FactorId(new_id())
    seed = None
    if new.seed is not None:
        place = seed_place(account.tenant_id, account.id, factor_id)
        seed = seal_seed(
            deps.master_key, Secret(new.seed), tenant_key=keys.tenant, account_key=keys.account, place=place
        )
    factor = Factor(
        id=factor_id,
        type=new.type,
        state=FactorState.ACTIVE,
        name=new.name,
        created_at=account.now,
        contact=new.contact,
        seed=seed,
        confirmed_at=account.now,
    )
    await insert_imported_factor(
        uow.conn,
        account.tenant_id,
        account.id,
        factor,
        challenge_id=ChallengeId(new_id()),
        imported_as=new.imported_as,
    )
    return factor


async def _take_codes(
    asked: Import,
    uow: UnitOfWork,
    deps: Deps,
    changes: Changes,
    account: Account,
    keys: DataKeys,
    taken: TakenOver,
    codes: Sequence[_NewCode],
) -> None:
    """Their owner has them on paper already: they count as saved."""
    state = changes.accounts.get(account.key, account.state)
    set_id: UUID = state.backup_set_id or new_id()
    rows = [
        _row(deps, account, keys, slot, new) for slot, new in zip(free_slots(taken, len(codes)), codes, strict=True)
    ]
    await insert_imported_codes(uow.conn, account.tenant_id, account.id, rows, set_id=set_id, at=account.now)
    changes.keep(
        account,
        replace(state, backup_set_id=set_id, backup_generated_at=account.now, backup_acknowledged_at=account.now),
    )
    changes.say([say(asked, account, events.BackupCodesImported(count=len(codes)))])


def _row(deps: Deps, account: Account, keys: DataKeys, slot: int, new: _NewCode) -> ImportedCode:
    code_id = new_id()
    place = code_place(account.tenant_id, account.id, code_id)
    return ImportedCode(
        code_id=code_id,
        slot=slot,
        hash=seal_hash(deps.master_key, new.code.hash, tenant_key=keys.tenant, account_key=keys.account, place=place),
        shape=new.code.shape,
        imported_as=new.imported_as,
    )
