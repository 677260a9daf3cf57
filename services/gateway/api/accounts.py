"""Accounts: put, read, list, unlock, and what happened to them."""

import asyncio

from services.gateway.api.bodies import AccountBody, AccountsQuery, ErasureQuery, TimelineQuery, UnlockBody
from services.gateway.api.call import Call, Nothing, Outcome, Said
from services.gateway.api.cursors import page, position_of
from services.gateway.api.entries import before, entries_of
from services.gateway.api.explained import explain
from services.gateway.api.reminders import told_before_locks
from services.gateway.api.route import ACCOUNT_ID
from services.gateway.api.translation import put_account
from services.gateway.problems import Problem, invalid
from shared.contracts.commands import (
    EraseAccount,
    ListAccounts,
    ReadAccount,
    ReadEntries,
    ReadRecovery,
    ReadSecurity,
    Unlock,
)
from shared.contracts.replies import RefusalCode


async def put(call: Call[AccountBody, Nothing]) -> Outcome:
    """Create or change an account."""
    contacts = await call.contacts() if call.body.phone is not None else call.deps.contacts
    command = put_account(call.body, call.account_id, call.caller, contacts)
    if isinstance(command, Problem):
        return command
    return await call.ask(command, account_id=call.account_id)


async def get(call: Call[Nothing, Nothing]) -> Outcome:
    """What three services know of an account, asked at once."""
    account, security, recovery = await asyncio.gather(
        call.ask(ReadAccount(), account_id=call.account_id),
        call.ask(ReadSecurity(), account_id=call.account_id),
        call.ask(ReadRecovery(), account_id=call.account_id),
    )
    if isinstance(account, Problem):
        return account
    if isinstance(security, Problem):
        return security
    if isinstance(recovery, Problem) and recovery.code is not RefusalCode.RECOVERY_NOT_FOUND:
        return recovery
    return Said({**account.data, **security.data, "recovery": recovery.data if isinstance(recovery, Said) else None})


async def erase(call: Call[Nothing, ErasureQuery]) -> Outcome:
    """Forget an account. Nobody decides anything about it from here on; its factors and their key are destroyed within
    moments, what was sent to it is forgotten, and its entries in the audit log keep no content and no id; asked again,
    `is_finished` says that all of this is done. An account that is put under the same id later is a new one.
    """
    return await call.ask(EraseAccount(version=call.query.version), account_id=call.account_id)


async def list_all(call: Call[Nothing, AccountsQuery]) -> Outcome:
    """A page of accounts, in the order of their ids."""
    after = position_of(call.query.cursor) if call.query.cursor else None
    if call.query.cursor and (after is None or not ACCOUNT_ID.fullmatch(after)):
        return invalid("/cursor", "cursor", "Not a cursor of this list.")
    said = await call.ask(
        ListAccounts(role=call.query.role, state=call.query.state, after=after, limit=call.query.limit)
    )
    if isinstance(said, Problem):
        return said
    last = said.data["next_after"]
    return Said(page(said.data["accounts"], has_more=last is not None, last=last))


async def unlock(call: Call[UnlockBody, Nothing]) -> Outcome:
    """An admin lets a locked-out account in for a while."""
    command = Unlock(hours=call.body.hours, reason=call.body.reason, acting=call.body.acting())
    return await call.ask(command, account_id=call.account_id, actor=call.body.actor)


async def timeline(call: Call[Nothing, TimelineQuery]) -> Outcome:
    """Everything that happened to the account, in words, newest first."""
    position = before(call.query.cursor)
    if isinstance(position, Problem):
        return position
    said = await call.ask(
        ReadEntries(before=position, limit=call.query.limit, newest_first=True), account_id=call.account_id
    )
    if isinstance(said, Problem):
        return said
    entries, has_more = entries_of(said)
    if not entries and position is None:
        known = await call.ask(ReadAccount(), account_id=call.account_id)
        if isinstance(known, Problem):
            return known
    told = await told_before_locks(call, entries)
    if isinstance(told, Problem):
        return told
    last = entries[-1].seq if entries else None
    return Said(
        page(
            [explain(entry, told) for entry in entries],
            has_more=has_more and last is not None,
            last=last,
        )
    )
