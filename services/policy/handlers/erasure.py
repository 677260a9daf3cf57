"""An account leaves. What policy has of it goes here, under its lock; the others follow `account.erased`.

Policy goes first: from this commit on nobody else knows the account, so whatever they still have of it decides nothing.
A crash between two services leaves a message that is tried again.
"""

import dataclasses

from services.policy.deps import Deps
from services.policy.domain.account import newest
from services.policy.domain.erasure import (
    Erase,
    Erasure,
    Outdated,
    Repeated,
    Unknown,
    Verdict,
    decide_erasure,
)
from services.policy.handlers.case import Case, open_case
from services.policy.queries.erasures import (
    clear_erasure,
    delete_account,
    delete_enforcement,
    delete_requests,
    delete_timers,
    find_erasure,
    forget_reader,
    forget_who_saved_policy,
    raise_version,
    store_erasure,
)
from services.policy.queries.recovery_requests import open_request
from shared.contracts import events
from shared.contracts.commands import ConcludeErasure, EraseAccount
from shared.contracts.envelope import Envelope
from shared.contracts.replies import ErasureView, RefusalCode
from shared.messaging.answers import forget_answers
from shared.messaging.outcome import Done, Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork


async def erase_account(message: Envelope[EraseAccount], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Somebody waits: an account that never was is not found."""
    case = await open_case(message, uow, deps)
    match await _decide(case, message):
        case Outdated():
            return refuse(RefusalCode.VERSION_OUTDATED)
        case Unknown():
            return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
        case Repeated(erasure):
            return Ok(await _again(case, erasure, message.data.version))
        case Erase(version):
            return Ok(_view(case, await _erase(case, version)))


async def erase_reported_account(message: Envelope[EraseAccount], uow: UnitOfWork, deps: Deps) -> Outcome:
    """An event said so. It may have been faster than the one that the account came with: that one must not count."""
    case = await open_case(message, uow, deps)
    match await _decide(case, message):
        case Outdated():
            pass
        case Unknown():
            await _remember(case, message.data.version, is_cleared=True)
        case Repeated(erasure):
            await _again(case, erasure, message.data.version)
        case Erase(version):
            await _erase(case, version)
    return Done()


async def conclude_erasure(message: Envelope[ConcludeErasure], uow: UnitOfWork, deps: Deps) -> Outcome:
    """A service has done its part. After otp_worker's, a new account of that id may log in."""
    case = await open_case(message, uow, deps)
    await clear_erasure(case.conn, case.tenant_id, case.account_id, message.data.erasure_id, message.data.keeper)
    return Done()


async def _decide(case: Case, message: Envelope[EraseAccount]) -> Verdict:
    standing = await case.standing()
    return decide_erasure(
        standing.account if standing is not None else None,
        await find_erasure(case.conn, case.tenant_id, case.account_id),
        version=message.data.version,
        told_at=message.time,
    )


async def _erase(case: Case, version: int | None) -> Erasure:
    request = await open_request(case.conn, case.tenant_id, case.account_id)
    if request is not None:
        case.say(events.RecoveryCancelled(recovery_id=request.recovery_id, reason="account_erased"))
    await delete_timers(case.conn, case.tenant_id, case.account_id)
    await delete_requests(case.conn, case.tenant_id, case.account_id)
    await delete_enforcement(case.conn, case.tenant_id, case.account_id)
    await delete_account(case.conn, case.tenant_id, case.account_id)
    await forget_reader(case.conn, case.tenant_id, case.account_id)
    await forget_who_saved_policy(case.conn, case.tenant_id, case.account_id)
    await forget_answers(case.conn, case.tenant_id, case.account_id)
    erasure = await _remember(case, version, is_cleared=False)
    at_its_end = dataclasses.replace(case, now=erasure.erased_at)
    at_its_end.say(events.AccountErased(erasure_id=erasure.erasure_id, version=version))
    return erasure


async def _remember(case: Case, version: int | None, *, is_cleared: bool) -> Erasure:
    return await store_erasure(
        case.conn,
        case.tenant_id,
        case.account_id,
        erasure_id=case.deps.new_id(),
        version=version,
        told_at=case.cause.time,
        is_cleared=is_cleared,
    )


async def _again(case: Case, erasure: Erasure, version: int | None) -> ErasureView:
    if version is not None:
        await raise_version(case.conn, case.tenant_id, case.account_id, version)
    return _view(case, dataclasses.replace(erasure, version=newest(erasure.version, version)))


def _view(case: Case, erasure: Erasure) -> ErasureView:
    return ErasureView(
        account_id=case.account_id,
        version=erasure.version,
        erased_at=erasure.erased_at,
        is_finished=erasure.is_finished,
    )
