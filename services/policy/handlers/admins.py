"""Telling the tenant's admins what concerns somebody else's account, or all of them."""

from collections.abc import Mapping

from services.policy.announcements import SOURCE, by_mail
from services.policy.domain.account import Account
from services.policy.handlers.case import Case
from services.policy.queries.accounts import admin_ids
from services.policy.queries.standings import read_standings
from services.policy.queries.tenants import read_letterhead
from shared.contracts.notifications import Notification
from shared.contracts.types import RecoveryId
from shared.rules.notices import notices

_AT_MOST = 20  # of a helpdesk with hundreds of admins; more mails make nobody more watchful


async def admins_of(case: Case, about: Account | None) -> list[Account]:
    """The active admins that mail can reach: not the account itself, nor who shares its address. None: it is about
    them all.
    """
    ids = await admin_ids(case.conn, case.tenant_id, limit=_AT_MOST + 1)
    found = [each.account for each in await read_standings(case.conn, case.tenant_id, ids)]
    if about is None:
        return found[:_AT_MOST]
    return [each for each in found if each.account_id != about.account_id and not _share(each, about)][:_AT_MOST]


def _share(one: Account, other: Account) -> bool:
    return one.email is not None and other.email is not None and one.email.digest == other.email.digest


async def tell_admins(
    case: Case,
    about: Account | None,
    notification: Notification,
    params: Mapping[str, object],
    recovery_id: RecoveryId | None = None,
) -> None:
    """Mail each of them, in their own language."""
    letterhead = await read_letterhead(case.conn, case.tenant_id)
    for admin in await admins_of(case, about):
        to = by_mail(admin, tenant_name=letterhead.name, tenant_colour=letterhead.colour)
        mails = notices(to, notification, params, new_id=case.deps.new_id, recovery_id=recovery_id)
        case.uow.publish(
            *(case.cause.follow(each, source=SOURCE, at=case.now, account_id=admin.account_id) for each in mails)
        )
