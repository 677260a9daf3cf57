"""Factors under SSO: after ninety days that nobody used one they end; whoever comes back or uses one keeps them."""

import datetime as dt

from shared.contracts.commands import RemoveUnusedFactors
from tests.handlers.policy.conftest import ANN, DAY, Service

NINETY = 90 * DAY
TIMER = ("end_dormancy", "ann/dormant")


async def used(service: Service) -> dt.datetime:
    """A factor was shown just now, as otp_worker stores it."""
    now = await service.now()
    await service.admin.execute(
        "UPDATE otp.accounts SET last_success_at = $3 WHERE tenant_id = $1 AND account_id = $2",
        service.tenant_id,
        ANN,
        now,
    )
    return now


async def test_after_ninety_days_under_sso_otp_worker_is_told(service: Service) -> None:
    """Not a second before: until then the account may come back and find them."""
    await service.put()
    await service.enrol()
    since = await service.now()
    await service.change(sso=True)
    assert await service.pending() == [TIMER]
    await service.move(NINETY - 60)
    assert await service.said(RemoveUnusedFactors) == []
    await service.move(60)
    [told] = await service.said(RemoveUnusedFactors)
    assert dt.timedelta() <= told.data.unused_since - since < dt.timedelta(minutes=1)


async def test_who_comes_back_keeps_them_and_who_leaves_again_has_ninety_days_more(service: Service) -> None:
    """A migration that is taken back must not have cost anybody the authenticator."""
    await service.put()
    await service.enrol()
    await service.change(sso=True)
    await service.move(NINETY - 60)
    await service.change(sso=False)
    assert await service.pending() == []
    await service.change(sso=True)
    await service.move(DAY)
    assert await service.said(RemoveUnusedFactors) == []


async def test_a_factor_in_use_beside_sso_is_not_dormant(service: Service) -> None:
    """The password is still there, and the factor still guards it."""
    await service.put()
    await service.enrol()
    await service.change(sso=True)
    await service.move(NINETY - DAY)
    last = await used(service)
    await service.move(2 * DAY)
    assert await service.said(RemoveUnusedFactors) == []
    assert await service.pending() == [TIMER]
    await service.move(NINETY)
    assert [each.data.unused_since for each in await service.said(RemoveUnusedFactors)] == [last]


async def test_what_is_enrolled_under_sso_is_looked_at_as_well(service: Service) -> None:
    """It may be for the day on which the identity provider is down, and that day may never come."""
    await service.put(sso=True)
    assert await service.pending() == []
    await service.enrol()
    assert await service.pending() == [TIMER]


async def test_without_a_factor_there_is_nothing_to_end(service: Service) -> None:
    """Taken off meanwhile, by its owner or an admin."""
    await service.put()
    await service.enrol()
    await service.change(sso=True)
    await service.drop_factors()
    await service.move(NINETY)
    assert await service.said(RemoveUnusedFactors) == []
