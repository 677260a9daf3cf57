"""Trying a policy out: nothing is stored, and what it says comes true."""

from services.policy.handlers.preview import PAGE
from shared.contracts import events
from shared.contracts.commands import ChangeEnforcement, PreviewPolicy, PutPolicy, ReadAccount, ReadPolicy
from shared.contracts.policy import Policy
from shared.contracts.replies import AccountView, PolicyPreview, PolicyView
from shared.contracts.types import EnforcementState
from shared.messaging.answering import open_answer
from shared.messaging.bus import Reply
from shared.messaging.topology import POLICY_PREVIEWS
from tests.handlers.policy.conftest import DAY, EVERYBODY, Service, contact, new_factor_id

WEEK = 7 * DAY


async def preview(service: Service, policy: Policy) -> PolicyPreview:
    """As the gateway gets it."""
    envelope = service.envelope(PreviewPolicy(policy=policy), None)
    reply = await service.hand(POLICY_PREVIEWS, envelope)
    assert isinstance(reply, Reply)
    return PolicyPreview.model_validate(open_answer(service.answers, envelope, reply.body).data)


async def test_what_is_previewed_comes_true(service: Service) -> None:
    """On the day that was named, the accounts that were named, and no others: login and preview share a rule."""
    await service.put("ann")
    await service.put("boss", role="admin", email=None, phone=None)
    await service.put("eve")
    await service.give_factor(new_factor_id(), "eve")
    await service.put("sam", sso=True)
    await service.put("zoe", email=None, phone=contact("zoe-phone"))
    until = await service.now()
    exempt = ChangeEnforcement(
        given=("exempt_until",), exempt_until=until.replace(year=until.year + 1, day=1), reason="on leave"
    )
    await service.ask(exempt, "zoe")
    seen = await preview(service, EVERYBODY)
    assert seen.would_lock_out_admins
    assert (seen.totals.grace, seen.totals.satisfied, seen.totals.exempt, seen.totals.not_required) == (2, 1, 1, 1)
    first = seen.days[0]
    assert [(each.account_id, each.is_admin, each.is_reachable) for each in first.accounts] == [
        ("ann", False, True),
        ("boss", True, False),
    ]
    assert (first.locked_out, first.admins, first.unreachable) == (2, 1, 1)
    assert [each.account_id for each in seen.days[1].accounts] == ["zoe"]

    assert PolicyView.model_validate(await service.ask(ReadPolicy(), None)).version == 0
    assert await service.said(events.PolicyChanged) == []
    await service.ask(PutPolicy(policy=EVERYBODY, is_forced=True), None)
    await service.run()
    await service.move(WEEK)
    states = {
        each: AccountView.model_validate(await service.ask(ReadAccount(), each)).enforcement.state
        for each in ("ann", "boss", "eve", "sam", "zoe")
    }
    assert [each for each, state in states.items() if state is EnforcementState.LOCKED_OUT] == ["ann", "boss"]


async def test_who_is_back_is_previewed_with_the_time_that_they_have(service: Service) -> None:
    """To be away stops no grace period, but nobody who comes back is locked out on the spot: nor in the preview."""
    await service.put("ann")
    await service.put("ben")
    await service.require()
    await service.move(3 * DAY)
    for account_id in ("ann", "ben"):
        await service.change(account_id, active=False)
    await service.move(7 * DAY)
    await service.change("ben", active=True)
    seen = await preview(service, EVERYBODY)
    assert (seen.totals.grace, seen.totals.not_required, seen.totals.locked_out) == (1, 1, 0)
    await service.move(30 * DAY)
    await service.change("ann", active=True)
    seen = await preview(service, EVERYBODY)
    assert (seen.totals.grace, seen.totals.locked_out, seen.totals.locked_out_already) == (1, 1, 1)


async def test_every_page_is_counted_once(service: Service) -> None:
    """An account at the edge of a page is neither left out nor counted twice."""
    count = PAGE + 1
    await service.admin.execute(
        """
        INSERT INTO policy.accounts (tenant_id, account_id, role, created_at)
        SELECT $1, 'a' || lpad(n::text, 5, '0'), 'agent', now() FROM generate_series(1, $2) AS n
        """,
        service.tenant_id,
        count,
    )
    seen = await preview(service, EVERYBODY)
    assert (seen.totals.accounts, seen.days[0].locked_out, seen.days[0].unreachable) == (count, count, count)
    assert not seen.would_lock_out_admins
