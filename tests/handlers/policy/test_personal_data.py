"""The copy of what is known of a person: that somebody took it is in the person's own timeline."""

from shared.contracts import events
from shared.contracts.commands import ReadPersonalData
from shared.contracts.replies import RefusalCode
from tests.handlers.policy.conftest import ANN, Service


async def test_each_copy_is_said_with_who_took_it(service: Service) -> None:
    """Addresses leave in clear: the person, and whoever looks after a stolen key, must see by whom and how often."""
    await service.put()
    for _ in range(2):
        await service.ask(ReadPersonalData())
    said = await service.said(events.AccountExported)
    assert [each.account_id for each in said] == [ANN, ANN]
    assert {each.actor for each in said} == {service.envelope(ReadPersonalData(), ANN).actor}


async def test_nothing_is_said_where_nothing_was_taken(service: Service) -> None:
    """Neither of an account that is not there, nor of a HEAD."""
    await service.put()
    assert await service.refused(ReadPersonalData(), "nobody") is RefusalCode.ACCOUNT_NOT_FOUND
    await service.ask(ReadPersonalData(is_look=True))
    assert await service.said(events.AccountExported) == []
