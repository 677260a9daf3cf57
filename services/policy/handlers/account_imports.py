"""Accounts of another system, many at once: those that are new together, by one statement a kind; the others singly."""

import datetime as dt
from dataclasses import replace

from services.policy.announcements import SOURCE
from services.policy.deps import Deps
from services.policy.domain.account import Account, changed_account, says_nothing_new
from services.policy.domain.individual import Individual, brought_along, individual_of
from services.policy.domain.standing import Standing
from services.policy.handlers.accounts import put, upserted
from services.policy.handlers.case import Case
from services.policy.handlers.requirement import give_notice
from services.policy.queries.accounts import insert_accounts
from services.policy.queries.clocks import hold_clock
from services.policy.queries.enforcements import require_enrolment, store_individual
from services.policy.queries.erasures import erased_ids
from services.policy.queries.standings import read_standings
from shared.contracts import events
from shared.contracts.commands import ImportAccounts, ImportedAccount, MovedEnforcement
from shared.contracts.envelope import Envelope, Event
from shared.contracts.replies import ImportedAccounts, RefusalCode
from shared.db.account_lock import lock_page
from shared.messaging.outcome import Ok, Outcome, Refused
from shared.messaging.unit_of_work import UnitOfWork

Import = Envelope[ImportAccounts]


async def import_accounts(message: Import, uow: UnitOfWork, deps: Deps) -> Outcome:
    """Like `put_account` of each. A file that is read again, after a crash, finds most of them as it left them."""
    given = message.data.accounts
    ids = [each.account_id for each in given]
    now = await hold_clock(uow.conn, message.tenant_id)
    await lock_page(uow.conn, message.tenant_id, ids)
    known = {each.account.account_id: each.account for each in await read_standings(uow.conn, message.tenant_id, ids)}
    special = known.keys() | await erased_ids(uow.conn, message.tenant_id, ids)
    blank = Case(cause=message, uow=uow, deps=deps, account_id="", now=now)
    await _bring_in(blank, message, [each for each in given if each.account_id not in special])
    refused: list[RefusalCode | None] = []
    for each in given:
        is_done = each.account_id not in special or says_nothing_new(known.get(each.account_id), each.change)
        refused.append(None if is_done else await _put(blank, each))
    return Ok(ImportedAccounts(refused=tuple(refused)))


async def _bring_in(blank: Case, message: Import, given: list[ImportedAccount]) -> None:
    """Accounts that nobody here knows of."""
    if not given:
        return
    new = [_account(blank, each) for each in given]
    await insert_accounts(blank.conn, blank.tenant_id, new)
    enforced = [(each.account_id, each.enforcement) for each in given if each.enforcement is not None]
    for account_id, moved in enforced:
        await _bring_along(blank, account_id, moved)
    standings = await read_standings(blank.conn, blank.tenant_id, [each.account_id for each in new])
    for each in standings:
        said: list[Event] = [upserted(None, each, (), blank.now)]
        whose = each.account.account_id
        if individual_of(each) != Individual():
            said.append(_changed(each, blank.now))
        blank.uow.publish(*(message.follow(one, source=SOURCE, at=blank.now, account_id=whose) for one in said))
    await give_notice(message, blank.uow, blank.deps, standings, blank.now, reason="account_changed", is_silent=True)


async def _bring_along(blank: Case, account_id: str, moved: MovedEnforcement) -> None:
    """Few of a file have any: a statement each. Nobody is told, for nothing is new to them."""
    if moved.must_enrol_since is not None:
        await require_enrolment(blank.conn, blank.tenant_id, account_id, min(moved.must_enrol_since, blank.now))
    individual = brought_along(moved, blank.now)
    if individual != Individual():
        await store_individual(blank.conn, blank.tenant_id, account_id, individual)


def _changed(standing: Standing, now: dt.datetime) -> events.EnforcementChanged:
    enforcement = standing.enforcement_at(now)
    return events.EnforcementChanged(
        state=enforcement.state,
        deadline=enforcement.deadline,
        exempt_until=enforcement.exempt_until,
        reason="imported",
    )


def _account(blank: Case, given: ImportedAccount) -> Account:
    return changed_account(None, given.change, account_id=given.account_id, is_covered=False, now=blank.now)


async def _put(blank: Case, given: ImportedAccount) -> RefusalCode | None:
    """The account was here before: whatever its change sets off, a single one would."""
    said = await put(replace(blank, account_id=given.account_id), given.change, told_at=None)
    return said.refusal.code if isinstance(said, Refused) else None
