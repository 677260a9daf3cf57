"""Accounts as the helpdesk tells of them, on a real database."""

import datetime as dt

from shared.contracts import events
from shared.contracts.commands import ListAccounts, ProveMailbox, PutAccount, ReadAccount, RecordPasswordChange
from shared.contracts.policy import Policy, Requirement, Scope
from shared.contracts.replies import AccountsPage, AccountView, RefusalCode
from shared.contracts.types import EnforcementState, Role
from tests.handlers.policy.conftest import ANN, EVERYBODY, OpenService, Service, contact, put_account
from tests.support.tenants import new_tenant


async def test_a_new_account_is_stored_and_announced(service: Service) -> None:
    """The first upsert is the only registration there is."""
    view = await service.put(phone=contact("ann-phone"), locale="de")
    assert view.email == "a•••l"
    assert view.phone == "a•••e"
    assert view.enforcement.state is EnforcementState.NOT_REQUIRED
    [upserted] = await service.said(events.AccountUpserted)
    assert upserted.data.is_new
    assert upserted.data.role is Role.AGENT
    assert AccountView.model_validate(await service.ask(ReadAccount())) == view


async def test_what_is_not_given_stays_and_null_clears(service: Service) -> None:
    """A helpdesk that sends one field must not wipe the others."""
    await service.put(phone=contact("ann-phone"), locale="de", time_zone="Europe/Berlin")
    assert (await service.change(locale="fr")).time_zone == "Europe/Berlin"
    cleared = await service.change(phone=None, locale=None)
    assert (cleared.phone, cleared.locale) == (None, "en")


async def test_a_changed_number_is_told_to_the_one_before_it(service: Service) -> None:
    """Who has the helpdesk's session gives a number of his own, on which a recovery would then be heard."""
    await service.put(phone=contact("ann-phone"))
    await service.change(phone=contact("thief-phone"))
    assert sorted(await service.notices()) == [
        ("address_changed", "a•••e"),
        ("address_changed", "a•••l"),
        ("address_changed", "t•••e"),
    ]
    await service.change(phone=contact("thief-phone"), locale="de")
    assert len(await service.notices()) == 3


async def test_an_older_version_is_answered_and_ignored(service: Service) -> None:
    """Messages overtake each other: yesterday's role must not come back."""
    await service.put(version=7)
    assert (await service.change(role="admin", version=6)).role is Role.AGENT
    assert (await service.change(role="admin", version=8)).role is Role.ADMIN


async def test_nothing_changed_says_nothing(service: Service) -> None:
    """A nightly sync of every account must not fill everybody's audit log."""
    await service.put()
    await service.put()
    assert len(await service.said(events.AccountUpserted)) == 1


async def test_a_changed_address_tells_old_and_new(service: Service) -> None:
    """Whoever took the account over changes the address first: the old mailbox must hear of it."""
    await service.put()
    await service.change(email=contact("thief-mail"), email_verified=True)
    assert sorted(await service.notices()) == [("address_changed", "a•••l"), ("address_changed", "t•••l")]
    [_, changed] = await service.said(events.AccountUpserted)
    assert "email" in changed.data.changed


async def test_two_changes_in_a_row_do_not_silence_the_owner(service: Service) -> None:
    """The first address keeps its thirty days however often the address changes meanwhile."""
    await service.put()
    await service.change(email=contact("thief-mail"), email_verified=True)
    await service.change(email=contact("x-second"), email_verified=True)
    assert [to for _, to in await service.notices()].count("a•••l") == 2


async def test_a_changed_address_is_unproved_until_a_code_comes_back_from_it(service: Service) -> None:
    """A proof belongs to the mailbox that gave it, not to the account."""
    await service.put(email_verified=False)
    await service.hear(ProveMailbox(digest=contact("ann-mail").digest))
    assert AccountView.model_validate(await service.ask(ReadAccount())).email_verified
    assert not (await service.change(email=contact("b-mail"))).email_verified
    await service.hear(ProveMailbox(digest=contact("ann-mail").digest))
    assert not AccountView.model_validate(await service.ask(ReadAccount())).email_verified


async def test_unknown_accounts_are_refused(service: Service) -> None:
    """Also those of another tenant."""
    assert await service.refused(ReadAccount(), "nobody") is RefusalCode.ACCOUNT_NOT_FOUND


async def test_another_tenants_account_is_not_there(service: Service, open_service: OpenService, dsn: str) -> None:
    """The same account id means somebody else at another helpdesk."""
    await service.put()
    assert await open_service(await new_tenant(dsn)).refused(ReadAccount()) is RefusalCode.ACCOUNT_NOT_FOUND


async def test_an_upsert_from_the_bus_does_the_same(service: Service) -> None:
    """Helpdesks may tell of accounts by events, which nobody answers."""
    await service.hear(PutAccount(given=("role",), role=Role.CUSTOMER), "bob")
    assert AccountView.model_validate(await service.ask(ReadAccount(), "bob")).role is Role.CUSTOMER


async def test_the_newest_password_change_counts(service: Service) -> None:
    """News that arrives late or twice must not make a password look older than it is."""
    await service.put()
    now = await service.now()
    await service.hear(RecordPasswordChange(changed_at=now - dt.timedelta(hours=1)))
    await service.hear(RecordPasswordChange(changed_at=now - dt.timedelta(hours=2)))
    await service.hear(RecordPasswordChange(changed_at=now - dt.timedelta(hours=1)))
    [changed] = await service.said(events.AccountPasswordChanged)
    assert changed.data.changed_at == now - dt.timedelta(hours=1)


async def test_a_password_change_is_not_in_the_future(service: Service) -> None:
    """A helpdesk whose clock is a year ahead would else keep its people from recovering for a year."""
    await service.put()
    await service.hear(RecordPasswordChange(changed_at=await service.now() + dt.timedelta(days=365)))
    [changed] = await service.said(events.AccountPasswordChanged)
    assert changed.data.changed_at <= await service.now()


async def test_a_new_account_under_a_requirement_hears_of_it(service: Service) -> None:
    """Who joins later has a grace period of their own, with notice and timers."""
    await service.require(EVERYBODY)
    view = await service.put()
    assert view.enforcement.state is EnforcementState.GRACE
    assert ("enforcement_started", "a•••l") in await service.notices()
    assert ("lock_out_account", ANN) in await service.pending()


async def test_becoming_sso_ends_the_requirement(service: Service) -> None:
    """Logins through SSO are exempt, so nobody is reminded or locked out any more."""
    await service.require(EVERYBODY)
    await service.put()
    assert (await service.change(sso=True)).enforcement.state is EnforcementState.NOT_REQUIRED
    assert await service.pending() == []


async def test_leaving_sso_starts_a_grace_period(service: Service) -> None:
    """A year of SSO must not count as a missed deadline."""
    await service.put(sso=True)
    await service.require(EVERYBODY)
    await service.move(20 * 24 * 3600)
    back = await service.change(sso=False)
    assert back.enforcement.state is EnforcementState.GRACE


async def test_a_promotion_within_the_requirement_renews_no_grace(service: Service) -> None:
    """Switching roles to and fro would else be a way to live without a second factor."""
    await service.require(EVERYBODY)
    deadline = (await service.put()).enforcement.deadline
    await service.move(3600)
    assert (await service.change(role="admin")).enforcement.deadline == deadline


async def test_accounts_are_listed_page_by_page(service: Service) -> None:
    """The cursor is the last account, so pages neither skip nor repeat."""
    for name in ("a", "b", "c", "d", "e"):
        await service.put(name, role="agent" if name != "c" else "admin")
    first = AccountsPage.model_validate(await service.ask(ListAccounts(limit=2), None))
    assert [each.account_id for each in first.accounts] == ["a", "b"]
    rest = AccountsPage.model_validate(await service.ask(ListAccounts(limit=3, after=first.next_after), None))
    assert [each.account_id for each in rest.accounts] == ["c", "d", "e"]
    assert (rest.has_more, rest.next_after) == (False, None)
    admins = AccountsPage.model_validate(await service.ask(ListAccounts(role=Role.ADMIN), None))
    assert [each.account_id for each in admins.accounts] == ["c"]


async def test_accounts_are_listed_by_their_state(service: Service) -> None:
    """Admins look for those who have not enrolled."""
    await service.require(Policy(required=Requirement(scope=Scope.ROLES, roles=(Role.AGENT,))))
    for name in ("a", "b", "c"):
        await service.put(name)
    await service.put("d", role="customer")
    await service.enrol("b")
    page = AccountsPage.model_validate(await service.ask(ListAccounts(state=EnforcementState.GRACE, limit=1), None))
    assert ([each.account_id for each in page.accounts], page.has_more) == (["a"], True)
    page = AccountsPage.model_validate(
        await service.ask(ListAccounts(state=EnforcementState.GRACE, after=page.next_after), None)
    )
    assert ([each.account_id for each in page.accounts], page.has_more) == (["c"], False)


async def test_an_import_starts_a_grace_period_without_a_word(service: Service) -> None:
    """With a factor of elsewhere they are satisfied a moment later; without, the login and reminders say so."""
    await service.require(EVERYBODY)
    fields = {"role": "agent", "email": contact("ann-mail"), "email_verified": True}
    await service.ask(put_account(fields).model_copy(update={"is_import": True}))
    assert await service.notices() == []
    assert len(await service.said(events.EnforcementStarted)) == 1
    assert ("lock_out_account", "ann") in await service.pending()
