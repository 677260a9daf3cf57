"""News of an account in every order, late and twice: the newest truth stands."""

import itertools
from typing import Any

import pytest

from shared.contracts import events
from shared.contracts.commands import ReadAccount
from shared.contracts.replies import AccountView
from tests.handlers.policy.conftest import Service, contact, put_account

HISTORY: tuple[dict[str, Any], ...] = (
    {"role": "customer", "email": contact("first-mail"), "email_verified": True, "sso": False, "version": 1},
    {"role": "agent", "email": contact("next-mail"), "email_verified": False, "sso": False, "version": 2},
    {"role": "agent", "email": contact("next-mail"), "email_verified": True, "sso": True, "version": 3},
    {"role": "admin", "email": contact("last-mail"), "email_verified": True, "sso": False, "version": 4},
)


async def stands(service: Service, account_id: str) -> tuple[object, ...]:
    """What is known now."""
    view = AccountView.model_validate(await service.ask(ReadAccount(), account_id))
    return view.role, view.email, view.email_verified, view.sso, view.version


@pytest.mark.parametrize("is_said_twice", [False, True])
async def test_in_whatever_order_news_arrive_the_newest_stands(service: Service, is_said_twice: bool) -> None:  # noqa: FBT001
    """Twenty-four orders of four changes; said twice, what is old comes again after the newest."""
    for number, order in enumerate(itertools.permutations(HISTORY)):
        account_id = f"ann-{number}"
        for change in (*order, *(order if is_said_twice else ())):
            await service.hear(put_account(change), account_id)
        assert await stands(service, account_id) == ("admin", "l•••l", True, False, 4), order


async def test_what_is_late_tells_nobody_of_anything(service: Service) -> None:
    """No notice of a changed address that was changed long ago, no new grace period, no event."""
    for change in HISTORY:
        await service.hear(put_account(change))
    told, said = await service.notices(), len(await service.said(events.AccountUpserted))
    for change in HISTORY[:3]:
        await service.hear(put_account(change))
    assert (await service.notices(), len(await service.said(events.AccountUpserted))) == (told, said)


async def test_the_same_version_again_may_correct_what_it_said(service: Service) -> None:
    """A helpdesk that counts its changes and not its messages says the last one as often as it likes."""
    await service.hear(put_account(HISTORY[3]))
    await service.hear(put_account({**HISTORY[3], "role": "agent"}))
    assert (await stands(service, "ann"))[0] == "agent"
