"""What policy knows of a person, for the copy that they may ask for (GDPR, Art. 15)."""

from services.policy.announcements import SOURCE, account_view, recovery_view
from services.policy.deps import Deps
from services.policy.queries.recovery_requests import requests_since
from services.policy.queries.standings import read_standing
from shared.contracts import events
from shared.contracts.commands import ReadPersonalData
from shared.contracts.envelope import Envelope
from shared.contracts.replies import PersonalData, RefusalCode
from shared.db.tenant_time import tenant_now
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork


async def read_personal_data(message: Envelope[ReadPersonalData], uow: UnitOfWork, _deps: Deps) -> Outcome:
    """The account with its contacts, sealed as they are, and every recovery that was asked for.

    That somebody had it is said with the answer, each time anew: what was handed out cannot be taken back.
    """
    standing = await read_standing(uow.conn, message.tenant_id, message.account_id)
    if standing is None:
        return refuse(RefusalCode.ACCOUNT_NOT_FOUND)
    account, now = standing.account, await tenant_now(uow.conn, message.tenant_id)
    requests = await requests_since(uow.conn, message.tenant_id, account.account_id, account.created_at)
    data = PersonalData(
        account=account_view(standing, now),
        email=account.email,
        former_email=account.former_email,
        phone=account.phone,
        email_proved_at=account.email_proved_at,
        email_changed_at=account.email_changed_at,
        password_changed_at=account.password_changed_at,
        recovery_requests=tuple(map(recovery_view, requests)),
    )
    if not message.data.is_look:
        uow.publish(message.follow(events.AccountExported(), source=SOURCE, at=now))
    return Ok(data)
