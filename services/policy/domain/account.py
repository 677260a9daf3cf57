"""An account, and what a helpdesk may change of it."""

import datetime as dt
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from shared.contracts.commands import PutAccount
from shared.contracts.types import Contact, Role

T = TypeVar("T")

FORMER_ADDRESS_HEARS_FOR = dt.timedelta(days=30)
ADDRESS_SETTLES_IN = dt.timedelta(days=7)
"""Until then an address that nobody proved here serves notices only: whoever has the password can change it."""

_UNTOLD = frozenset({"version", "email_proved_at", "email_changed_at", "former_email", "former_email_until",
                     "left_sso_at", "role_changed_at"})  # fmt: skip


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
    version: int | None = None
    password_changed_at: dt.datetime | None = None
    left_sso_at: dt.datetime | None = None
    role_changed_at: dt.datetime | None = None

    @property
    def subject_since(self) -> dt.datetime:
        """The earliest instant that a grace period can start at."""
        return max(self.created_at, self.left_sso_at or self.created_at, self.role_changed_at or self.created_at)

    @property
    def is_mailbox_known(self) -> bool:
        """Whether the address is the person's, as far as anybody said or showed; only such a one gets notices."""
        return self.email is not None and (self.email_verified or self.email_proved_at is not None)

    def mailbox_at(self, now: dt.datetime) -> Contact | None:
        """The address, if a recovery may be proved by it: proved here, or verified by the helpdesk and settled."""
        settled_at = (self.email_changed_at or self.created_at) + ADDRESS_SETTLES_IN
        may_serve = self.email_proved_at is not None or (self.email_verified and settled_at <= now)
        return self.email if may_serve else None

    def former_email_at(self, now: dt.datetime) -> Contact | None:
        """The replaced address, while it still hears of what happens."""
        return self.former_email if self.former_email_until is not None and now < self.former_email_until else None


def is_outdated(before: Account | None, change: PutAccount) -> bool:
    """Whether the helpdesk has told something newer already."""
    known = before.version if before is not None else None
    return known is not None and change.version is not None and change.version < known


def changed_account(
    before: Account | None, change: PutAccount, *, account_id: str, is_covered: bool, now: dt.datetime
) -> Account:
    """The account after the change. What was not given stays; what was given as None goes back to its default."""
    blank = Account(account_id=account_id, created_at=now)
    old = before or blank
    given = frozenset(change.given)

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
        version=change.version if change.version is not None else old.version,
    )
    if before is None:
        return replace(new, email=change.email if "email" in given else None)
    new = _with_address(new, change, given, now)
    if old.is_sso and not new.is_sso:
        new = replace(new, left_sso_at=now)
    if old.role is not new.role and not is_covered:
        new = replace(new, role_changed_at=now)  # a promotion within the requirement starts no new grace period
    return new


def _with_address(account: Account, change: PutAccount, given: frozenset[str], now: dt.datetime) -> Account:
    """A new address is nobody's word yet: it must be proved or settle, and the one before it hears of things."""
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
        email_verified=bool(change.email_verified) if "email_verified" in given else False,
        email_proved_at=None,
        email_changed_at=now,
        former_email=former,
        former_email_until=until if former is not None else None,
    )


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


def _comparable(value: object) -> object:
    return value.digest if isinstance(value, Contact) else value


def _digest(contact: Contact | None) -> str | None:
    return contact.digest if contact is not None else None
