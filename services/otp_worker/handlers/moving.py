"""Factors and backup codes from another system: active at once, and nobody is told, for nothing is new to them.

However many accounts come together, the number of statements stays the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.otp_worker.adapters.foreign_codes import code_place, seal_hash
from services.otp_worker.adapters.seeds import seal_seed, seed_place
from services.otp_worker.announcements import say
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account, AccountState
from services.otp_worker.domain.backup_code import Kind
from services.otp_worker.domain.factor import Factor
from services.otp_worker.domain.moving import TakenOver, free_slots
from services.otp_worker.handlers.changes import Changes
from services.otp_worker.handlers.enrolment import expire_pending
from services.otp_worker.handlers.locked import Locked, lock_several
from services.otp_worker.handlers.moved_person import NewCode, NewFactor, Wanted, judge_person
from services.otp_worker.handlers.seeds import DataKeys, data_keys_of
from services.otp_worker.handlers.trust import end_trusts
from services.otp_worker.queries.accounts import Key
from services.otp_worker.queries.moving import (
    ImportedCode,
    ImportedFactor,
    has_import_permit,
    insert_imported_codes,
    insert_imported_factors,
    load_taken_over,
)
from shared.contracts import events
from shared.contracts.commands import ImportedPerson, ImportFactors, ImportFactorsOfMany
from shared.contracts.envelope import Envelope
from shared.contracts.replies import ImportedFactors, ManyImportedFactors, RefusalCode
from shared.contracts.types import FactorId, FactorState, Method, PermitId
from shared.ids import new_id
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.secret import Secret

Import = Envelope[ImportFactors] | Envelope[ImportFactorsOfMany]


@dataclass(slots=True)
class _Taking:
    """Rows of all accounts, collected until they are stored."""

    asked: Import
    uow: UnitOfWork
    deps: Deps
    keys: Mapping[Key, DataKeys]
    changes: Changes = field(default_factory=Changes)
    factors: list[ImportedFactor] = field(default_factory=list)
    codes: list[ImportedCode] = field(default_factory=list)

    async def store(self) -> None:
        """Write everything."""
        await insert_imported_factors(self.uow.conn, self.asked.tenant_id, self.factors)
        await insert_imported_codes(self.uow.conn, self.asked.tenant_id, self.codes)
        await self.changes.store(self.uow)


async def import_factors(asked: Envelope[ImportFactors], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Take over what is new. What was taken over before, and used or removed since, stays as its owner left it."""
    data = asked.data
    person = ImportedPerson(account_id=asked.account_id or "", destinations=data.destinations, secrets=data.secrets)
    imported = await _import(asked, uow, deps, data.permit_id, [person])
    if imported is None:
        return refuse(RefusalCode.NOT_PERMITTED)
    return Ok(imported[0]) if imported[0] is not None else refuse(RefusalCode.ACCOUNT_NOT_FOUND)


async def import_factors_of_many(asked: Envelope[ImportFactorsOfMany], uow: UnitOfWork, deps: Deps) -> Outcome:
    """`import_factors` of each, in one transaction."""
    imported = await _import(asked, uow, deps, asked.data.permit_id, asked.data.people)
    if imported is None:
        return refuse(RefusalCode.NOT_PERMITTED)
    return Ok(ManyImportedFactors(imported=tuple(imported)))


async def _import(
    asked: Import, uow: UnitOfWork, deps: Deps, permit_id: PermitId, people: Sequence[ImportedPerson]
) -> list[ImportedFactors | None] | None:
    """What became of each; None of those that policy does not know. None at all: the operator does not permit it."""
    if not await has_import_permit(uow.conn, asked.tenant_id, permit_id):
        return None
    ids = [each.account_id for each in people]
    locked = await lock_several(uow, asked.tenant_id, ids)
    taken = await load_taken_over(uow.conn, asked.tenant_id, ids)
    wanted = {
        each.account_id: judge_person(each, deps, locked[each.account_id], taken.get(each.account_id, TakenOver()))
        for each in people
        if each.account_id in locked
    }
    takers = [each for each in wanted.values() if each.factors or each.codes or each.key]
    if takers:
        keys = await data_keys_of(uow, deps, [each.locked.account for each in takers])
        taking = _Taking(asked, uow, deps, keys)
        for each in takers:
            await _take(taking, each)
        await taking.store()
    return [wanted[each].result if each in wanted else None for each in ids]


async def _take(taking: _Taking, wanted: Wanted) -> None:
    account, changes = wanted.locked.account, taking.changes
    changes.keep(account, account.state)
    for number, new in enumerate(wanted.factors):
        factor = _factor(taking, account, new)
        taking.factors.append(ImportedFactor(account_id=account.id, factor=factor, imported_as=new.imported_as))
        is_first = not wanted.locked.held and number == 0
        confirmed = events.FactorConfirmed(
            factor_id=factor.id, factor_type=factor.type, is_first=is_first, is_imported=True
        )
        changes.say([say(taking.asked, account, confirmed)])
    if wanted.factors:
        first = account.state.first_enrolled_at or account.now
        changes.keep(account, replace(account.state, first_enrolled_at=first))
        await _end_what_was_before(taking, wanted.locked)
    if wanted.codes:
        _take_codes(taking, wanted)
    if wanted.key is not None:
        _take_key(taking, wanted, wanted.key)


async def _end_what_was_before(taking: _Taking, locked: Locked) -> None:
    """What was begun, and whom was trusted, without these factors. Who never was here has neither."""
    account, changes = locked.account, taking.changes
    if account.state == AccountState() and not locked.factors:
        state = changes.accounts[account.key]
        changes.keep(account, replace(state, factor_epoch=state.factor_epoch + 1))
        return
    await expire_pending(taking.asked, taking.uow, changes, account, locked.factors, "factors_imported")
    await end_trusts(taking.asked, taking.uow, changes, account, "factors_changed")


def _factor(taking: _Taking, account: Account, new: NewFactor) -> Factor:
    factor_id = FactorId(new_id())
    keys = taking.keys[account.key]
    seed = None
    if new.seed is not None:
        place = seed_place(account.tenant_id, account.id, factor_id)
        seed = seal_seed(
            taking.deps.master_key, Secret(new.seed), tenant_key=keys.tenant, account_key=keys.account, place=place
        )
    return Factor(
        id=factor_id,
        type=new.type,
        state=FactorState.ACTIVE,
        name=new.name,
        created_at=account.now,
        contact=new.contact,
        seed=seed,
        confirmed_at=account.now,
    )


def _take_codes(taking: _Taking, wanted: Wanted) -> None:
    """Their owner has them on paper already: they count as saved."""
    account, changes = wanted.locked.account, taking.changes
    state = changes.accounts.get(account.key, account.state)
    set_id: UUID = state.backup_set_id or new_id()
    slots = free_slots(wanted.taken, len(wanted.codes))
    taking.codes += [_code(taking, account, set_id, slot, new) for slot, new in zip(slots, wanted.codes, strict=True)]
    changes.keep(
        account,
        replace(state, backup_set_id=set_id, backup_generated_at=account.now, backup_acknowledged_at=account.now),
    )
    changes.say([say(taking.asked, account, events.BackupCodesImported(count=len(wanted.codes)))])


def _take_key(taking: _Taking, wanted: Wanted, new: NewCode) -> None:
    """Good here as it was there, whatever the policy says: its owner leans on it. It counts as saved."""
    account, changes = wanted.locked.account, taking.changes
    state = changes.accounts.get(account.key, account.state)
    taking.codes.append(
        ImportedCode(
            account_id=account.id,
            code_id=new_id(),
            kind=Kind.RECOVERY_KEY,
            set_id=state.backup_set_id or new_id(),
            slot=0,
            hash=new.code.hash,
            shape=None,
            imported_as=new.imported_as,
            created_at=account.now,
        )
    )
    changes.keep(account, replace(state, recovery_key_made_at=account.now, recovery_key_acknowledged_at=account.now))
    changes.say([say(taking.asked, account, events.BackupCodesImported(count=1, kind=Method.RECOVERY_KEY))])


def _code(taking: _Taking, account: Account, set_id: UUID, slot: int, new: NewCode) -> ImportedCode:
    code_id, keys = new_id(), taking.keys[account.key]
    place = code_place(account.tenant_id, account.id, code_id)
    return ImportedCode(
        account_id=account.id,
        code_id=code_id,
        set_id=set_id,
        slot=slot,
        hash=seal_hash(
            taking.deps.master_key, new.code.hash, tenant_key=keys.tenant, account_key=keys.account, place=place
        ),
        shape=new.code.shape,
        imported_as=new.imported_as,
        created_at=account.now,
    )
