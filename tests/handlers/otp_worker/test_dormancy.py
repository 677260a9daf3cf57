"""Factors that nobody has used under SSO end, all of them and loudly; whoever used one or came back keeps them."""

import datetime as dt

from shared.contracts import events
from shared.contracts.commands import ReadSecurity, RemoveUnusedFactors
from shared.contracts.types import FactorType
from tests.handlers.otp_worker.conftest import DAY, Verifier, contact

MINUTE = dt.timedelta(minutes=1)


async def under_sso(verifier: Verifier) -> RemoveUnusedFactors:
    """Ann has signed in through SSO since now; what policy says ninety days later."""
    since = await verifier.now()
    await verifier.account(is_sso=True, sso_since=since)
    await verifier.move(90 * DAY)
    return RemoveUnusedFactors(unused_since=since)


async def test_unused_factors_end_with_codes_and_trusts_and_their_owner_hears_of_it(verifier: Verifier) -> None:
    """A factor that goes in silence would be one that somebody took off."""
    app = await verifier.enrol()
    await verifier.enrol_by_code(FactorType.SMS, proof=await verifier.proof(app), destination=contact("other-phone"))
    await verifier.hear(await under_sso(verifier))
    gone = await verifier.said(events.FactorRevoked)
    assert [(each.data.reason, each.data.is_last) for each in gone] == [("unused", False), ("unused", True)]
    told = {digest for name, digest in await verifier.notices() if name == "unused_factors_removed"}
    assert told == {"k1.ann-mail", "k1.ann-phone", "k1.other-phone"}
    left = await verifier.data(ReadSecurity())
    assert (left["factors"], left["backup_codes"]["codes_left"]) == ([], 0)


async def test_said_again_it_tells_nobody_again(verifier: Verifier) -> None:
    """A command may come twice under two ids: the timer's process died at the wrong moment."""
    await verifier.enrol()
    ending = await under_sso(verifier)
    for _ in range(2):
        await verifier.hear(ending)
    assert len(await verifier.said(events.FactorRevoked)) == 1


async def test_whoever_used_one_meanwhile_keeps_them(verifier: Verifier) -> None:
    """Policy looked, and then a code was right: that is younger, and true."""
    app = await verifier.enrol()
    ending = await under_sso(verifier)
    await verifier.proof(app)
    await verifier.hear(ending)
    assert await verifier.said(events.FactorRevoked) == []


async def test_whoever_left_sso_meanwhile_keeps_them(verifier: Verifier) -> None:
    """Also who is back under it by the time that the news arrives."""
    await verifier.enrol()
    ending = await under_sso(verifier)
    await verifier.account(is_sso=False, sso_since=None)
    await verifier.hear(ending)
    await verifier.account(is_sso=True, sso_since=ending.unused_since + MINUTE)
    await verifier.hear(ending)
    assert await verifier.said(events.FactorRevoked) == []
    await verifier.hear(RemoveUnusedFactors(unused_since=ending.unused_since + MINUTE), "nobody")
