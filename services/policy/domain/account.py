"""An account, and what a helpdesk may change of it."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

from services.policy.domain.requirement import SAME_REQUIREMENT_WITHIN
from shared.contracts.commands import PutAccount
from shared.contracts.types import Contact, Role

T = TypeVar("T")

WHOLE = "account"
PASSWORD = "password"  # noqa: S105 - the name of a fact
_FACTS = ("role", "email", "email_verified", "phone", "locale", "time_zone", "sso", "active", PASSWORD, WHOLE)

FORMER_ADDRESS_HEARS_FOR = dt.timedelta(days=30)
ADDRESS_SETTLES_IN = dt.timedelta(days=7)
"""Until then an address that nobody proved here serves notices only: whoever has the password can change it."""

_UNTOLD = frozenset({"version", "versions", "email_proved_at", "email_changed_at", "former_email", "former_email_until",
                     "left_sso_at", "role_changed_at", "sso_since", "deactivated_at", "was_overdue", "restarted_at",
                     "returned_at"})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One protected login as policy knows it; instants are tenant time."""

    account_id: str
    created_at: dt.datetime
    role: Role = Role.CUSTOMER
    email: Contact | None = None
    email_verified: bool = False
    email_proved_at: dt.datetime | None = None
    email_changed_at: dt.datetime | None = None  # None: the address is the one that the account was made with
    former_email: Contact | None = None
    former_email_until: dt.datetime | None = None
    phone: Contact | None = None
    locale: str = "en"
    time_zone: str = "UTC"
    is_sso: bool = False
    is_active: bool = True
    version: int | None = None  # the newest that was told
    versions: Mapping[str, int] = field(default_factory=dict, hash=False)  # of each fact; empty: all are of `version`
    password_changed_at: dt.datetime | None = None
    left_sso_at: dt.datetime | None = None
    sso_since: dt.datetime | None = None
    role_changed_at: dt.datetime | None = None
    deactivated_at: dt.datetime | None = None  # None: active, or never was
    was_overdue: bool = False  # the deadline was over when it was deactivated
    restarted_at: dt.datetime | None = None  # active for the first time, or again after long
    returned_at: dt.datetime | None = None  # active again before that: a day's notice is owed

    def told_by(self, fact: str) -> int | None:
        """The version that told a fact last; `WHOLE`: the last one that told of the whole account."""
        return self.versions.get(fact) if self.versions else self.version

    @property
    def subject_since(self) -> dt.datetime:
        """The earliest instant that a grace period can start at."""
        instants = (self.created_at, self.left_sso_at, self.role_changed_at, self.restarted_at)
        return max(each for each in instants if each is not None)

    @property
    def is_mailbox_known(self) -> bool:
        """Whether the address is the person's, as far as anybody said or showed; only such a one gets notices."""
        return self.email is not None and (self.email_verified or self.email_proved_at is not None)

    def mailbox_at(self, now: dt.datetime) -> Contact | None:
        """The address, if a recovery may be proved by it: proved here, or verified by the helpdesk and settled."""
        may_serve = self.email_proved_at is not None or (self.email_verified and self.settles_at <= now)
        return self.email if may_serve else None

    @property
    def settles_at(self) -> dt.datetime:
        """From when on the address serves a recovery because the helpdesk has verified it, without a mailed code."""
        return (self.email_changed_at or self.created_at) + ADDRESS_SETTLES_IN

    def former_email_at(self, now: dt.datetime) -> Contact | None:
        """The replaced address, while it still hears of what happens."""
        return self.former_email if self.former_email_until is not None and now < self.former_email_until else None


def is_outdated(before: Account | None, change: PutAccount) -> bool:
    """Whether the helpdesk has told something newer already: of the whole account, or of this one fact."""
    if before is None:
        return False
    return _is_before(change.version, before.told_by(WHOLE)) if change.is_whole else not _news(before, change)


def is_password_outdated(known: Account, version: int | None) -> bool:
    """Whether a newer version told of the password already."""
    return _is_before(version, known.told_by(PASSWORD))


def told(before: Account | None, version: int | None, facts: Collection[str]) -> Mapping[str, int]:
    """The versions of all facts once ``version`` has told these."""
    if version is None:
        return before.versions if before is not None else {}
    known: dict[str, int] = {}
    if before is not None:
        known = {fact: last for fact in _FACTS if (last := before.told_by(fact)) is not None}
    return known | {fact: max(version, known.get(fact, version)) for fact in facts}


def latest(*instants: dt.datetime | None) -> dt.datetime | None:
    """The last of those that there were."""
    return max((instant for instant in instants if instant is not None), default=None)


def newest(*versions: int | None) -> int | None:
    """The highest that was told."""
    return max((version for version in versions if version is not None), default=None)


def _news(before: Account, change: PutAccount) -> frozenset[str]:
    """What the change tells that no newer version has told: one fact may be told ahead of the whole."""
    return frozenset(fact for fact in change.given if not _is_before(change.version, before.told_by(fact)))


def _is_before(version: int | None, known: int | None) -> bool:
    return version is not None and known is not None and version < known


def changed_account(
    before: Account | None,
    change: PutAccount,
    *,
    account_id: str,
    is_covered: bool,
    is_overdue: bool = False,
    now: dt.datetime,
) -> Account:
    """The account after the change. What was not given stays; what was given as None goes back to its default.

    ``is_covered``, ``is_overdue``: whether a factor was asked of it before, and should have been there by now.
    """
    blank = Account(account_id=account_id, created_at=now)
    old = before or blank
    given = _news(old, change)

    def pick(name: str, new: T | None, default: T, kept: T) -> T:
        if name not in given:
            return kept
        return default if new is None else new

    new = replace(
        old,
        role=pick("role", change.role, old.role, old.role),
        phone=pick("phone", change.phone, None, old.phone),
        locale=pick("locale", change.locale, blank.locale, old.locale),
        time_zone=pick("time_zone", change.time_zone, blank.time_zone, old.time_zone),
        is_sso=pick("sso", change.sso, blank.is_sso, old.is_sso),
        is_active=pick("active", change.active, blank.is_active, old.is_active),
        email_verified=pick("email_verified", change.email_verified, False, old.email_verified),
        version=newest(old.version, change.version),
        versions=told(before, change.version, _told_with(given) | ({WHOLE} if change.is_whole else set())),
    )
    if old.is_sso is not new.is_sso:
        new = replace(new, sso_since=now if new.is_sso else None)
    if before is None:
        return replace(new, email=change.email if "email" in given else None)
    is_word_newer = _is_before(change.version, old.told_by("email_verified"))
    new = _with_address(new, change, given, now, is_word_newer=is_word_newer)
    if old.is_sso and not new.is_sso:
        new = replace(new, left_sso_at=now)
    if old.role is not new.role and not is_covered:
        new = replace(new, role_changed_at=now)  # a promotion within the requirement starts no new grace period
    if old.is_active and not new.is_active:
        new = replace(new, deactivated_at=now, was_overdue=is_overdue)
    return _returned(new, now) if new.is_active and not old.is_active else new


def _returned(account: Account, now: dt.datetime) -> Account:
    """Active again: after long a requirement starts anew. Before that the old start holds, with a day's notice for who
    was not overdue when they left; to be deactivated for a minute renews nobody's grace.
    """
    back = replace(account, deactivated_at=None, was_overdue=False)
    if account.deactivated_at is None or account.deactivated_at + SAME_REQUIREMENT_WITHIN <= now:
        return replace(back, restarted_at=now)
    return back if account.was_overdue else replace(back, returned_at=now)


def _told_with(given: frozenset[str]) -> frozenset[str]:
    """What is told of an address, the next address is told with: an older word that one was verified says nothing."""
    return given | {"email_verified"} if "email" in given else given


def _with_address(
    account: Account, change: PutAccount, given: frozenset[str], now: dt.datetime, *, is_word_newer: bool
) -> Account:
    """A new address is nobody's word yet: it must be proved or settle, and the one before it hears of things.

    ``is_word_newer``: news from after this change have said already whether the address is verified.
    """
    if "email" not in given:
        return account
    old, new = account.email, change.email
    if old is not None and new is not None and old.digest == new.digest:
        return replace(account, email=new)
    former, until = account.former_email_at(now), account.former_email_until
    if former is None and account.is_mailbox_known:
        former, until = old, now + FORMER_ADDRESS_HEARS_FOR
    return replace(
        account,
        email=new,
        email_verified=account.email_verified if is_word_newer else _is_verified(change, given),
        email_proved_at=None,
        email_changed_at=now,
        former_email=former,
        former_email_until=until if former is not None else None,
    )


def _is_verified(change: PutAccount, given: frozenset[str]) -> bool:
    return bool(change.email_verified) if "email_verified" in given else False


def is_number_changed(before: Account | None, after: Account) -> bool:
    """Whether the account has another phone number now, or none, or one for the first time."""
    return before is not None and _digest(before.phone) != _digest(after.phone)


def is_address_changed(before: Account | None, after: Account) -> bool:
    """Whether the account has another address now, or none."""
    return before is not None and _digest(before.email) != _digest(after.email)


def changed_fields(before: Account | None, after: Account) -> tuple[str, ...]:
    """Names of what a helpdesk would say has changed; addresses count by their digest."""
    if before is None:
        return ()
    return tuple(
        sorted(
            field.name
            for field in fields(Account)
            if field.name not in _UNTOLD
            and _comparable(getattr(before, field.name)) != _comparable(getattr(after, field.name))
        )
    )


def says_nothing_new(known: Account | None, change: PutAccount) -> bool:
    """Whether the account would be after the change as it is; addresses count by their digest."""
    if known is None:
        return False
    after = changed_account(known, change, account_id=known.account_id, is_covered=True, now=known.created_at)
    is_told = (after.version, after.versions) == (known.version, known.versions)
    return is_told and not changed_fields(known, after)


def _comparable(value: object) -> object:
    return value.digest if isinstance(value, Contact) else value


def _digest(contact: Contact | None) -> str | None:
    return contact.digest if contact is not None else None
