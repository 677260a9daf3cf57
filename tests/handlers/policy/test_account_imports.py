"""Accounts of another system come many at once, and each is what it would be had it come alone."""

import datetime as dt
from typing import Any

from shared.contracts import commands, events
from shared.contracts.commands import EraseAccount, ImportAccounts, ImportedAccount, MovedEnforcement, ReadAccount
from shared.contracts.policy import Policy, Requirement, Scope
from shared.contracts.replies import AccountView, RefusalCode
from shared.contracts.types import EnforcementState, Role
from tests.handlers.policy.conftest import Service, contact, put_account

IN_A_WEEK = Policy(required=Requirement(scope=Scope.ALL), grace_days=7)


def of(**accounts: dict[str, Any]) -> ImportAccounts:
    """What the command line sends of several lines."""
    return ImportAccounts(
        accounts=tuple(
            ImportedAccount(account_id=whose, change=put_account(given).model_copy(update={"is_import": True}))
            for whose, given in accounts.items()
        )
    )


async def read(service: Service, account_id: str) -> AccountView:
    """As the tenant sees it."""
    return AccountView.model_validate(await service.ask(ReadAccount(), account_id))


async def test_many_accounts_come_in_one_message(service: Service) -> None:
    """A hundred thousand lines, a transaction and an answer each, would take half a day."""
    await service.require(IN_A_WEEK)
    people = of(
        bea={"role": "admin", "email": contact("bea-mail"), "email_verified": True, "locale": "de", "version": 3},
        carl={"role": "agent", "phone": contact("carl-phone"), "sso": True},
        dora={},
    )
    assert (await service.ask(people, None))["refused"] == [None, None, None]
    bea, carl, dora = [await read(service, each) for each in ("bea", "carl", "dora")]
    assert (bea.role, bea.email, bea.email_verified, bea.locale, bea.version) == (Role.ADMIN, "b•••l", True, "de", 3)
    assert (carl.phone, carl.sso, dora.role) == ("c•••e", True, Role.CUSTOMER)
    assert bea.enforcement.state is EnforcementState.GRACE
    said = {each.account_id: each.data for each in await service.said(events.AccountUpserted)}
    assert {whose: (each.is_new, each.state) for whose, each in said.items()} == {
        "bea": (True, EnforcementState.GRACE),
        "carl": (True, EnforcementState.NOT_REQUIRED),
        "dora": (True, EnforcementState.GRACE),
    }
    started = {each.account_id for each in await service.said(events.EnforcementStarted)}
    assert started == {"bea", "dora"}
    reminded = {subject for kind, subject in await service.pending() if kind == "lock_out_account"}
    assert len(reminded) == 2
    assert await service.notices() == []  # nothing is new to them


async def test_a_file_read_again_says_nothing_new(service: Service) -> None:
    """A run that broke off is repeated from the first line: what it did already must cost and say next to nothing."""
    people = of(bea={"role": "agent", "email": contact("bea-mail"), "version": 1}, carl={"role": "agent"})
    await service.ask(people, None)
    await service.ask(people, None)
    assert len(await service.said(events.AccountUpserted)) == 2


async def test_an_account_that_was_here_is_changed_as_alone(service: Service) -> None:
    """A new address in a file is told to the one before it, whether the file has one line or a thousand."""
    await service.put("bea", email=contact("bea-mail"), version=5)
    await service.put("carl", email=contact("carl-mail"), version=5)
    people = of(
        amy={"role": "agent"},
        bea={"email": contact("thief-mail"), "version": 6},
        carl={"role": "admin", "version": 4},
    )
    assert (await service.ask(people, None))["refused"] == [None, None, None]
    assert [(await read(service, each)).role for each in ("amy", "bea", "carl")] == [Role.AGENT] * 3
    assert await service.notices() == [("address_changed", "b•••l")]
    changed = [each.data.changed for each in await service.said(events.AccountUpserted) if not each.data.is_new]
    assert changed == [("email", "email_verified")]


async def test_an_erased_account_is_not_brought_back_by_an_old_file(service: Service) -> None:
    """Last year's file still has the person who asked to be forgotten; the version says which word is newer."""
    await service.put("bea", version=5)
    await service.ask(EraseAccount(version=6), "bea")
    people = of(bea={"role": "agent", "version": 5}, carl={"role": "agent", "version": 5})
    assert (await service.ask(people, None))["refused"] == [RefusalCode.ACCOUNT_ERASED.value, None]
    assert await service.refused(ReadAccount(), "bea") is RefusalCode.ACCOUNT_NOT_FOUND


async def test_an_import_under_the_policy_ends_what_sso_makes_needless(service: Service) -> None:
    """Coming under SSO by a file cancels what was open, as it does by a call."""
    await service.put("bea")
    await service.ask(of(bea={"sso": True}), None)
    [cancelled] = await service.said(commands.CancelChallenges)
    assert (cancelled.account_id, cancelled.data.reason) == ("bea", "sso")
    assert (await read(service, "bea")).created_at <= await service.now() + dt.timedelta(seconds=1)


async def test_what_an_admin_granted_elsewhere_holds_here(service: Service) -> None:
    """Who is on leave without a phone must not be locked out because the helpdesk has moved."""
    await service.require(IN_A_WEEK)
    now = await service.now()
    exempt_until = now + dt.timedelta(days=30)
    moved = {
        "bea": MovedEnforcement(exempt_until=exempt_until),
        "carl": MovedEnforcement(is_individually_required=True, exempt_until=now - dt.timedelta(days=1)),
        "dora": MovedEnforcement(must_enrol_since=now - dt.timedelta(days=1)),
        "emil": MovedEnforcement(exempt_until=now + dt.timedelta(days=4000)),
    }
    given = of(bea={"role": "agent"}, carl={"role": "agent"}, dora={"role": "agent"}, emil={"role": "agent"})
    people = tuple(each.model_copy(update={"enforcement": moved[each.account_id]}) for each in given.accounts)
    await service.ask(ImportAccounts(accounts=people), None)
    found = {each: (await read(service, each)).enforcement for each in moved}
    assert {whose: each.state for whose, each in found.items()} == {
        "bea": EnforcementState.EXEMPT,
        "carl": EnforcementState.GRACE,
        "dora": EnforcementState.MUST_ENROL,
        "emil": EnforcementState.GRACE,
    }
    assert found["bea"].exempt_until == exempt_until
    said = {each.account_id: each.data.reason for each in await service.said(events.EnforcementChanged)}
    assert said == {"bea": "imported", "carl": "imported"}


async def test_what_was_decided_here_is_not_undone_by_a_file(service: Service) -> None:
    """An exemption that an admin ended here must not return with a file from before."""
    await service.require(IN_A_WEEK)
    await service.put("bea")
    [bea] = of(bea={"role": "agent"}).accounts
    later = await service.now() + dt.timedelta(days=30)
    moved = bea.model_copy(update={"enforcement": MovedEnforcement(exempt_until=later)})
    await service.ask(ImportAccounts(accounts=(moved,)), None)
    assert (await read(service, "bea")).enforcement.state is EnforcementState.GRACE
