"""The link "this was not me": what the notice said, and that it is disputed. What follows is for others to decide."""

from services.notifier.announcements import notice_disputed
from services.notifier.deps import Deps
from services.notifier.domain.dispute import ONE_INCIDENT, is_link_over
from services.notifier.handlers.wording import notice_of
from services.notifier.queries.disputes import SentNotice, find_notice, record_dispute
from shared.contracts.commands import DisputeNotice, ReadNotice
from shared.contracts.envelope import Envelope
from shared.contracts.notifications import WITHOUT_DISPUTE, Notification
from shared.contracts.replies import NoticeView, RefusalCode
from shared.messaging.outcome import Ok, Outcome, refuse
from shared.messaging.unit_of_work import UnitOfWork


async def read_notice(request: Envelope[ReadNotice], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Show it, and change nothing: scanners of mail open links."""
    found = await _find(request, uow, deps)
    return Ok(_view(found, deps)) if isinstance(found, SentNotice) else refuse(found)


async def dispute_notice(request: Envelope[DisputeNotice], uow: UnitOfWork, deps: Deps) -> Outcome:
    """Say it, once: a second press finds it said."""
    found = await _find(request, uow, deps)
    if not isinstance(found, SentNotice):
        return refuse(found)
    delivery = found.as_sent.delivery
    is_repeated = await record_dispute(uow.conn, delivery.tenant_id, delivery.delivery_id, repeated_within=ONE_INCIDENT)
    if is_repeated is not None:
        happened_at = notice_of(found.as_sent, deps).happened_at
        uow.publish(notice_disputed(delivery, happened_at, found.as_sent.now, is_repeated=is_repeated))
    return Ok(_view(found, deps))


async def _find(
    request: Envelope[ReadNotice] | Envelope[DisputeNotice], uow: UnitOfWork, deps: Deps
) -> SentNotice | RefusalCode:
    """The notice, for who holds its link. A forged token looks like one of another tenant."""
    delivery_id = request.data.delivery_id
    if not deps.dispute_links.is_genuine(request.tenant_id, delivery_id, request.data.token):
        return RefusalCode.NOTICE_NOT_FOUND
    found = await find_notice(uow.conn, request.tenant_id, delivery_id)
    if found is None or Notification(found.as_sent.delivery.notification) in WITHOUT_DISPUTE:
        return RefusalCode.NOTICE_NOT_FOUND
    return RefusalCode.NOTICE_EXPIRED if is_link_over(found.age) else found


def _view(found: SentNotice, deps: Deps) -> NoticeView:
    delivery, notice = found.as_sent.delivery, notice_of(found.as_sent, deps)
    shown = deps.renderer.render_summary(
        Notification(delivery.notification), delivery.language, notice, time_zone=delivery.time_zone
    )
    return NoticeView(
        notification=delivery.notification,
        subject=shown.subject,
        happened_at=shown.happened_at,
        language=shown.language,
        tenant_name=notice.tenant_name,
        disputed_at=found.disputed_at,
    )
