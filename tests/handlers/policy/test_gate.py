"""Running sessions: whether they may go on, and since when they must have begun."""

import datetime as dt
from typing import Any

import pytest

from shared.contracts import events
from shared.contracts.commands import CancelChallenges, ReadGate
from shared.contracts.replies import GateView, RefusalCode
from shared.contracts.types import EnforcementState
from tests.handlers.policy.conftest import ANN, DAY, EVERYBODY, Service


async def gate(service: Service) -> GateView:
    """As the helpdesk sees it."""
    return GateView.model_validate(await service.ask(ReadGate()))


async def test_the_gate_is_open_until_the_lock(service: Service) -> None:
    """Grace is no reason to throw somebody out of a conversation; the end of it is."""
    await service.put()
    assert await gate(service) == GateView(allowed=True, reason="not_required", state=EnforcementState.NOT_REQUIRED)
    await service.require(EVERYBODY)
    assert (await gate(service)).allowed
    await service.move(8 * DAY)
    closed = await gate(service)
    assert (closed.allowed, closed.reason) == (False, "deadline_passed")
    await service.enrol()
    assert (await gate(service)).allowed


async def test_an_inactive_account_is_out(service: Service) -> None:
    """The helpdesk's word, that reaches every product that asks here."""
    await service.put(active=False)
    assert (await gate(service)).reason == "account_inactive"
    assert await service.refused(ReadGate(), "nobody") is RefusalCode.ACCOUNT_NOT_FOUND


async def test_who_must_enrol_at_the_next_login_goes_on_until_then(service: Service) -> None:
    """Nothing was taken from the session; where something was, `sessions_valid_from` says so."""
    await service.put()
    await service.require(EVERYBODY.model_copy(update={"grace_days": None}))
    seen = await gate(service)
    assert (seen.allowed, seen.state, seen.sessions_valid_from) == (True, EnforcementState.MUST_ENROL, None)


async def test_sessions_are_good_from_the_latest_end_on(service: Service) -> None:
    """The news may be late or come twice; what was ended stays ended."""
    await service.put()
    late = await service.now()
    early = late - dt.timedelta(hours=1)
    for at in (early, late, late, early):
        await service.hear(events.SessionsShouldEnd(reason="reset"), at=at)
    assert (await gate(service)).sessions_valid_from == late
    await service.put("ben")
    assert GateView.model_validate(await service.ask(ReadGate(), "ben")).sessions_valid_from is None


@pytest.mark.parametrize(("given", "reason"), [({"sso": True}, "sso"), ({"active": False}, "account_inactive")])
async def test_what_is_under_way_ends_with_sso_and_deactivation(
    service: Service, given: dict[str, Any], reason: str
) -> None:
    """A challenge that is open then would be the way in that was just closed; said once, not with each upsert."""
    await service.put()
    assert await service.said(CancelChallenges) == []
    await service.change(**given)
    await service.change(**given, locale="fr")
    assert [(each.account_id, each.data.reason) for each in await service.said(CancelChallenges)] == [(ANN, reason)]
