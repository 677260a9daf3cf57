"""May this admin do that to this account: the question that every admin's command begins with."""

from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.queries.accounts import load_accounts
from shared.contracts.commands import MakeRecoveryCode, StartEnrolment
from shared.contracts.envelope import Envelope
from shared.contracts.replies import RefusalCode
from shared.contracts.types import Acting
from shared.db.admin_action import read_action_facts
from shared.messaging.outcome import Refused, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.admin_action import may_act


async def may_not_act(uow: UnitOfWork, account: Account, acting: Acting) -> Refused | None:
    """Why an admin may not open this account to somebody; None: they may."""
    facts = await read_action_facts(uow.conn, account.tenant_id, account.id, acting)
    hindrance = may_act(acting, facts, account.now, opens_account=True)
    return refuse(hindrance.code, detail=hindrance.detail) if hindrance is not None else None


async def may_not_hear_again(
    asked: Envelope[MakeRecoveryCode] | Envelope[StartEnrolment], uow: UnitOfWork, _: Deps
) -> Refused | None:
    """Why an admin is not shown a second time what they asked for within ten minutes: they are no admin any more, or
    prove nothing any more. What the account itself asked for is shown again.
    """
    acting = asked.data.acting
    if acting is None:
        return None
    key = asked.tenant_id, asked.account_id or ""
    account = (await load_accounts(uow.conn, [key])).get(key)
    return await may_not_act(uow, account, acting) if account is not None else refuse(RefusalCode.ACCOUNT_NOT_FOUND)
