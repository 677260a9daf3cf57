"""What policy says, as values: answers, notices, and who is told."""

import datetime as dt
from collections.abc import Callable, Mapping
from uuid import UUID

from services.policy.domain.account import Account
from services.policy.domain.grounds import grounds_of
from services.policy.domain.recovery_request import RecoveryRequest
from services.policy.domain.report import FORMAT, Report
from services.policy.domain.requirement import StoredPolicy
from services.policy.domain.standing import Standing
from shared.contracts.commands import SendEmail, SendSms
from shared.contracts.events import EnforcementLockedOut, EnforcementStarted
from shared.contracts.notifications import Notification
from shared.contracts.replies import (
    AccountView,
    EnforcementView,
    OfferedMethod,
    PolicyView,
    RecoveryView,
    ReportProgress,
    ReportView,
)
from shared.contracts.types import Channel, Contact, RecoveryId, RecoveryState
from shared.rules.advice import ADVICE, STRENGTHS
from shared.rules.notices import Addressee, Seal, addressee, notices

SOURCE = "/policy"

_DAY = dt.timedelta(days=1)


def account_view(standing: Standing, now: dt.datetime) -> AccountView:
    """An account as its tenant sees it, addresses masked."""
    account = standing.account
    enforcement = standing.enforcement_at(now)
    return AccountView(
        account_id=account.account_id,
        role=account.role,
        email=account.email.masked if account.email is not None else None,
        email_verified=account.is_mailbox_known,
        phone=account.phone.masked if account.phone is not None else None,
        locale=account.locale,
        time_zone=account.time_zone,
        sso=account.is_sso,
        active=account.is_active,
        version=account.version,
        created_at=account.created_at,
        enforcement=EnforcementView(
            state=enforcement.state, deadline=enforcement.deadline, exempt_until=enforcement.exempt_until
        ),
    )


def policy_view(stored: StoredPolicy) -> PolicyView:
    """A policy as its tenant sees it."""
    offered = tuple(
        OfferedMethod(type=method, strength=STRENGTHS[method], advice=ADVICE.get(method))
        for method in stored.policy.methods
    )
    return PolicyView(version=stored.version, policy=stored.policy, updated_at=stored.updated_at, methods=offered)


def recovery_view(request: RecoveryRequest) -> RecoveryView:
    """A request as its tenant sees it; the challenge only while there is a mailbox to prove."""
    is_draft, is_denied = request.state is RecoveryState.DRAFT, request.state is RecoveryState.DENIED
    return RecoveryView(
        id=request.recovery_id,
        state=request.state,
        requested_at=request.requested_at,
        ready_at=request.ready_at,
        ended_at=request.ended_at,
        end_reason="denied" if is_denied else request.end_reason,
        end_note=request.end_reason if is_denied else None,
        challenge_id=request.challenge_id if is_draft else None,
        mailbox=request.mailbox_masked,
    )


def known_emails(account: Account, now: dt.datetime) -> list[Contact | None]:
    """The addresses that are the person's, and the replaced one for its time."""
    return [account.email if account.is_mailbox_known else None, account.former_email_at(now)]


def everywhere(
    account: Account,
    factor_contacts: list[tuple[Channel, Contact]],
    *,
    now: dt.datetime,
    tenant_name: str,
    tenant_colour: str | None,
) -> Addressee:
    """The person on every channel that is known, factors' included: for what a thief would rather keep quiet."""
    return addressee(
        emails=[*known_emails(account, now), *(each for channel, each in factor_contacts if channel is Channel.EMAIL)],
        phones=[account.phone, *(each for channel, each in factor_contacts if channel is Channel.SMS)],
        language=account.locale,
        time_zone=account.time_zone,
        tenant_name=tenant_name,
        tenant_colour=tenant_colour,
    )


def by_the_cheapest(account: Account, *, now: dt.datetime, tenant_name: str, tenant_colour: str | None) -> Addressee:
    """The person by mail, by SMS where there is no mailbox: for what goes to a whole helpdesk at once."""
    emails = known_emails(account, now)
    return addressee(
        emails=emails,
        phones=[] if any(emails) else [account.phone],
        language=account.locale,
        time_zone=account.time_zone,
        tenant_name=tenant_name,
        tenant_colour=tenant_colour,
    )


def by_mail(account: Account, *, tenant_name: str, tenant_colour: str | None) -> Addressee:
    """An admin, at the present address only: what is about somebody else is for nobody who has left."""
    return addressee(
        emails=[account.email if account.is_mailbox_known else None],
        phones=[],
        language=account.locale,
        time_zone=account.time_zone,
        tenant_name=tenant_name,
        tenant_colour=tenant_colour,
    )


def requirement_started(standing: Standing, deadline: dt.datetime | None) -> EnforcementStarted:
    """A second factor is asked for, and why."""
    return EnforcementStarted(deadline=deadline, **grounds_of(standing)._asdict())


def account_locked_out(standing: Standing, deadline: dt.datetime) -> EnforcementLockedOut:
    """The deadline was missed, and why there was one."""
    return EnforcementLockedOut(deadline=deadline, **grounds_of(standing)._asdict())


def start_notices(
    to: Addressee, deadline: dt.datetime, now: dt.datetime, new_id: Callable[[], UUID]
) -> list[SendEmail | SendSms]:
    """A second factor is required from the deadline on. Days are the nearest: of seven that began a second ago nobody
    says six.
    """
    days = min(3650, max(0, (deadline - now + _DAY / 2) // _DAY))
    return notices(to, Notification.ENFORCEMENT_STARTED, {"deadline": deadline, "days": days}, new_id=new_id)


def recovery_notices(
    to: Addressee,
    notification: Notification,
    request: RecoveryRequest,
    now: dt.datetime,
    link: Callable[[RecoveryId, Channel], str],
    seal: Seal,
    new_id: Callable[[], UUID],
) -> list[SendEmail | SendSms]:
    """A notice of a waiting request: when it happens, and the channel's own link to cancel it."""
    hours = {"hours": request.hours_left(now)} if notification is Notification.RECOVERY_WAITING else {}

    def params(channel: Channel) -> Mapping[str, object]:
        return {"happens_at": request.ready_at, "cancel_url": link(request.recovery_id, channel), **hours}

    return notices(to, notification, params, new_id=new_id, seal=seal, recovery_id=request.recovery_id)


def report_view(report: Report) -> ReportView:
    """A report as its tenant sees it. Accounts that came while it was written are counted, too."""
    total = report.accounts_total
    return ReportView(
        id=report.report_id,
        format=FORMAT,
        state=report.state,
        role=report.role,
        enforcement_state=report.enforcement_state,
        progress=ReportProgress(
            done=report.accounts_done, total=max(total, report.accounts_done) if total is not None else None
        ),
        accounts=report.accounts_written,
        size_bytes=report.size_bytes,
        requested_at=report.requested_at,
        ready_at=report.ready_at,
        expires_at=report.expires_at,
        mail_to_account=report.mail_to,
        downloads_left=report.downloads_left,
    )


def report_notices(
    account: Account,
    params: Mapping[str, object],
    *,
    tenant_name: str,
    tenant_colour: str | None,
    seal: Seal,
    new_id: Callable[[], UUID],
) -> list[SendEmail | SendSms]:
    """The link to a report, to the account's present address only: whoever has the link has the list."""
    to = addressee(
        emails=[account.email],
        phones=[],
        language=account.locale,
        time_zone=account.time_zone,
        tenant_name=tenant_name,
        tenant_colour=tenant_colour,
    )
    return notices(to, Notification.REPORT_READY, params, new_id=new_id, seal=seal)
