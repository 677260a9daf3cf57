"""Who hears of a waiting recovery: its owner everywhere, and the admins where everywhere is the proving mailbox."""

from services.policy.announcements import recovery_notices
from services.policy.domain.account import Account
from services.policy.domain.recovery_request import RecoveryRequest, is_elsewhere
from services.policy.handlers.admins import admins_of, tell_admins
from services.policy.handlers.case import Case, addressee_of
from shared.contracts.notifications import Notification
from shared.contracts.types import Channel, DeliveryId, RecoveryId
from shared.rules.notices import Addressee


async def tell_of_recovery(case: Case, account: Account, notification: Notification, request: RecoveryRequest) -> None:
    """Notify of a waiting request, with the links to cancel it."""
    to = await addressee_of(case, account)

    def link(recovery_id: RecoveryId, channel: Channel) -> str:
        return case.deps.cancel_links.url(case.tenant_id, recovery_id, channel)

    def seal(delivery_id: DeliveryId, text: str) -> str:
        return case.deps.cancel_links.seal(case.tenant_id, account.account_id, delivery_id, text)

    case.say(*recovery_notices(to, notification, request, case.now, link, seal, case.deps.new_id))
    if not _is_known_elsewhere(request, to):
        await _tell_admins(case, account, request)


async def _tell_admins(case: Case, account: Account, request: RecoveryRequest) -> None:
    """Whoever reads the mailbox may be who asked: only the helpdesk itself can notice. They refuse it signed in."""
    params = {
        "account": account.account_id,
        "mailbox": request.mailbox_masked,
        "recovery": request.recovery_id,
        "happens_at": request.ready_at,
    }
    await tell_admins(case, account, Notification.RECOVERY_FOR_ADMINS, params, request.recovery_id)


async def could_be_heard(case: Case, account: Account, request: RecoveryRequest) -> bool:
    """Whether anybody can be told but who reads the proving mailbox. Where nobody can, waiting longer is pointless."""
    if _is_known_elsewhere(request, await addressee_of(case, account)):
        return True
    return bool(await admins_of(case, account))


def _is_known_elsewhere(request: RecoveryRequest, to: Addressee) -> bool:
    return any(is_elsewhere(request, channel, contact.masked) for channel, contact in to.contacts)
