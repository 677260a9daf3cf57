"""Accounts as the helpdesk tells of them."""

import datetime as dt
from dataclasses import replace

from services.policy.announcements import account_view
from services.policy.deps import Deps
from services.policy.domain.account import (
    PASSWORD,
    Account,
    changed_account,
    changed_fields,
    is_address_changed,
    is_number_changed,
    is_outdated,
    is_password_outdated,
    newest,
    told,
)
from services.policy.domain.erasure import is_older
from services.policy.domain.standing import Standing
from services.policy.handlers.case import Case, open_case, tell
from services.policy.handlers.dormancy import watch_dormancy
from services.policy.handlers.recovery_end import cancel_open_recovery, put_off_recovery
from services.policy.handlers.requirement import give_notice
from services.policy.queries.accounts import (
    account_ids_after,
    prove_mailbox,
    record_password_change,
    record_versions,
    store_account,
)
from services.policy.queries.erasures import find_erasure
from services.policy.queries.standings import read_standing, read_standings
from shared.contracts import events
from shared.contracts.commands import (
    CancelChallenges,
    ListAccounts,
    ProveMailbox,
    PutAccount,
    ReadAccount,
    RecordPasswordChange,
)
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import Notification
from shared.contracts.replies import AccountsPage, AccountView, RefusalCode
from shared.db.tenant_time import tenant_now
from shared.messaging.outcome import Done, Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork

_AFTER = dt.timedelta(microseconds=1)  # the shortest time that is told apart
_LONGEST_PAGE = 200
_READ_AT_ONCE = 500
_READ_AT_MOST = 5_000  # accounts looked at for one page: a rare state must not cost the whole table


async def put_account(message: Envelope[PutAccount], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Create or change an account. What is older than what we know is answered and ignored."""
    return await put(await open_case(message, uow, deps), message.data, told_at=None)


async def put_reported_account(message: Envelope[PutAccount], uow: UnitOfWork, deps: Deps) -> Outcome:
    """An event told of it, some time ago: what is from before the account was erased does not bring it back."""
    return await put(await open_case(message, uow, deps), message.data, told_at=message.time)


async def put(case: Case, change: PutAccount, *, told_at: dt.datetime | None) -> Outcome:
    """One account, under its lock. ``told_at``: when an event spoke of it; None: somebody says it now."""
    before = await case.standing()
    known = before.account if before is not None else None
    erasure = await find_erasure(case.conn, case.tenant_id, case.account_id)
    is_of_erased = erasure is not None and is_older(erasure, version=change.version, told_at=told_at)
    if before is not None and (is_of_erased or is_outdated(known, change)):
        return Ok(account_view(before, case.now))
    if is_of_erased:
        return refuse(RefusalCode.ACCOUNT_ERASED)
    if erasure is not None:
        case = replace(case, now=max(case.now, erasure.erased_at + _AFTER))
    account = changed_account(
        known,
        change,
        account_id=case.account_id,
        is_covered=_is_covered(before),
        is_overdue=before is not None and before.is_overdue_at(case.now),
        now=case.now,
    )
    if account != known:
        await store_account(case.conn, case.tenant_id, account)
    after = await case.standing()
    assert after is not None
    await _follow_up(case, before, after, is_import=change.is_import)
    return Ok(account_view(after, case.now))


def _is_covered(standing: Standing | None) -> bool:
    """Whether a factor is asked of the account already: another role starts no new grace period then."""
    if standing is None:
        return False
    return standing.is_individually_required or standing.policy.required.covers(standing.account.role)


async def _follow_up(case: Case, before: Standing | None, after: Standing, *, is_import: bool) -> None:
    """What a change of an account sets off."""
    known = before.account if before is not None else None
    enforcement = after.enforcement_at(case.now)
    changed = changed_fields(known, after.account)
    if known is None or changed:
        case.say(upserted(known, after, changed, case.now))
    if before is None or enforcement != before.enforcement_at(case.now):
        await give_notice(
            case.cause, case.uow, case.deps, [after], case.now, reason="account_changed", is_silent=is_import
        )
    if "is_sso" in changed:
        await watch_dormancy(case, after)
    if after.account.is_sso or not after.account.is_active:
        reason = "sso" if after.account.is_sso else "account_inactive"
        await cancel_open_recovery(case, after, reason)
        if {"is_sso", "is_active"} & set(changed):
            case.say(CancelChallenges(reason=reason))
    if is_address_changed(known, after.account) or is_number_changed(known, after.account):
        params, replaced = {"happened_at": case.now}, known.phone if known is not None else None
        await tell(case, after.account, Notification.ADDRESS_CHANGED, params, replaced_number=replaced)
    if is_address_changed(known, after.account):
        await put_off_recovery(case, after)


def upserted(
    known: Account | None, after: Standing, changed: tuple[str, ...], now: dt.datetime
) -> events.AccountUpserted:
    """The event: what a change has made of an account, new where nothing of it was ``known``."""
    account = after.account
    return events.AccountUpserted(
        role=account.role,
        is_active=account.is_active,
        is_sso=account.is_sso,
        is_new=known is None,
        changed=changed,
        state=after.enforcement_at(now).state,
    )


async def read_account(message: Envelope[ReadAccount], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """One account."""
    standing = await read_standing(uow.conn, message.tenant_id, message.account_id)
    if standing is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    return Ok(account_view(standing, await tenant_now(uow.conn, message.tenant_id)))


async def list_accounts(message: Envelope[ListAccounts], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """A page by key. A state is computed, so accounts are read until the page is full, or enough were looked at."""
    wanted, limit = message.data, max(1, min(message.data.limit, _LONGEST_PAGE))
    now = await tenant_now(uow.conn, message.tenant_id)
    found: list[AccountView] = []
    after, is_end, looked_at = wanted.after, False, 0
    while len(found) <= limit and not is_end and looked_at < _READ_AT_MOST:
        size = limit + 1 if wanted.state is None else _READ_AT_ONCE
        ids = await account_ids_after(uow.conn, message.tenant_id, after, role=wanted.role, limit=size)
        standings = await read_standings(uow.conn, message.tenant_id, ids)
        fitting = (each for each in standings if wanted.state in (None, each.enforcement_at(now).state))
        found += [account_view(each, now) for each in fitting]
        after, is_end, looked_at = (ids[-1] if ids else after), len(ids) < size, looked_at + len(ids)
    page = tuple(found[:limit])
    has_more = len(found) > limit or not is_end
    next_after = page[-1].account_id if len(found) > limit else after
    return Ok(AccountsPage(accounts=page, has_more=has_more, next_after=next_after if has_more else None))


async def record_change_of_password(message: Envelope[RecordPasswordChange], uow: UnitOfWork, deps: Deps) -> Outcome:
    """A newer change than we know of. The helpdesk's clock may be ahead; ours decides how long a recovery waits."""
    case = await open_case(message, uow, deps)
    if not await _is_password_news(case, message):
        return Done()
    changed_at = min(message.data.changed_at or case.now, case.now)
    if await record_password_change(uow.conn, message.tenant_id, case.account_id, changed_at):
        case.say(events.AccountPasswordChanged(changed_at=changed_at))
        after = await case.standing()
        assert after is not None
        await put_off_recovery(case, after)
    return Done()


async def _is_password_news(case: Case, message: Envelope[RecordPasswordChange]) -> bool:
    """Whether no newer version has told of the password; this one's is kept."""
    version = message.data.version
    standing = await case.standing()
    erasure = await find_erasure(case.conn, case.tenant_id, case.account_id)
    if standing is None or (erasure is not None and is_older(erasure, version=version, told_at=message.time)):
        return False
    account = standing.account
    if is_password_outdated(account, version):
        return False
    if version is not None:
        known = told(account, version, (PASSWORD,))
        await record_versions(case.conn, case.tenant_id, case.account_id, newest(account.version, version), known)
    return True


async def record_mailbox_proof(message: Envelope[ProveMailbox], uow: UnitOfWork, deps: Deps) -> Outcome:
    """A mailed code came back from this address: if it still is the account's, the mailbox is proved."""
    case = await open_case(message, uow, deps)
    before = await case.standing()
    if before is None or message.time < before.account.created_at:
        return Done()  # by who had the id before, if anybody
    is_proved = await prove_mailbox(uow.conn, message.tenant_id, case.account_id, message.data.digest, case.now)
    if is_proved and not before.account.email_verified:
        after = await case.standing()
        assert after is not None
        case.say(upserted(before.account, after, ("email_verified",), case.now))
    return Done()
