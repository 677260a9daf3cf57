"""The steps that handlers share: load under the lock, say, tell."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from services.policy.announcements import SOURCE, everywhere
from services.policy.deps import Deps
from services.policy.domain.account import Account
from services.policy.domain.standing import Standing
from services.policy.queries.clocks import hold_clock
from services.policy.queries.standings import read_factor_contacts, read_standing
from services.policy.queries.tenants import read_letterhead
from shared.contracts.envelope import Envelope, Message
from shared.contracts.notifications import Notification
from shared.contracts.types import Acting, Channel, Contact, RecoveryId
from shared.db.account_lock import lock_account
from shared.db.admin_action import read_action_facts
from shared.db.connection import Connection
from shared.messaging.outcome import Refused, refuse
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.admin_action import may_act
from shared.rules.notices import Addressee, notices


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One account in one transaction, under its lock: what is read is the truth until the commit."""

    cause: Envelope[Message]
    uow: UnitOfWork
    deps: Deps
    account_id: str
    now: dt.datetime  # tenant time

    @property
    def conn(self) -> Connection:
        """The transaction's connection."""
        return self.uow.conn

    @property
    def tenant_id(self) -> UUID:
        """Whose account it is."""
        return self.cause.tenant_id

    async def standing(self) -> Standing | None:
        """The account as it is at this point of the transaction."""
        return await read_standing(self.conn, self.tenant_id, self.account_id)

    def say(self, *messages: Message) -> None:
        """Publish events and commands about the account."""
        self.uow.publish(
            *(
                self.cause.follow(message, source=SOURCE, at=self.now, account_id=self.account_id)
                for message in messages
            )
        )


async def open_case(message: Envelope[Message], uow: UnitOfWork, deps: Deps, *, account_id: str | None = None) -> Case:
    """Take the lock of the account: the message's, unless another is said. Nobody has the empty id."""
    whose = account_id or message.account_id or ""
    now = await hold_clock(uow.conn, message.tenant_id)
    await lock_account(uow.conn, message.tenant_id, whose)
    return Case(cause=message, uow=uow, deps=deps, account_id=whose, now=now)


async def may_not_act(case: Case, acting: Acting | None, *, opens_account: bool = False) -> Refused | None:
    """Why an admin may not do this to the account; None: they may, or nobody is named and nobody need be.

    ``opens_account``: afterwards it gets in without a factor where, or for as long as, it could not before.
    """
    facts = await read_action_facts(case.conn, case.tenant_id, case.account_id, acting)
    hindrance = may_act(acting, facts, case.now, opens_account=opens_account)
    return refuse(hindrance.code, detail=hindrance.detail) if hindrance is not None else None


async def addressee_of(case: Case, account: Account, replaced_number: Contact | None = None) -> Addressee:
    """The account's person on every channel; also at a number that was just replaced."""
    letterhead = await read_letterhead(case.conn, case.tenant_id)
    contacts = await read_factor_contacts(case.conn, case.tenant_id, account.account_id)
    if replaced_number is not None:
        contacts = [*contacts, (Channel.SMS, replaced_number)]
    return everywhere(account, contacts, now=case.now, tenant_name=letterhead.name, tenant_colour=letterhead.colour)


async def tell(
    case: Case,
    account: Account,
    notification: Notification,
    params: Mapping[str, object] | None = None,
    recovery_id: RecoveryId | None = None,
    *,
    replaced_number: Contact | None = None,
) -> None:
    """Notify the account's person on every channel."""
    to = await addressee_of(case, account, replaced_number)
    case.say(*notices(to, notification, dict(params or {}), new_id=case.deps.new_id, recovery_id=recovery_id))
