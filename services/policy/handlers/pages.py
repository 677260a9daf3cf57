"""The steps that handlers of lists share: accounts of a tenant, under their locks, and what is said of each.

A deadline is the same for a whole helpdesk: what its timers set off comes by the ten thousand in one second.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from services.policy.announcements import SOURCE, everywhere
from services.policy.deps import Deps
from services.policy.domain.standing import Standing
from services.policy.queries.clocks import hold_clock
from services.policy.queries.standings import read_contacts_of, read_standings
from services.policy.queries.tenants import read_letterhead
from shared.contracts.envelope import Envelope, Message
from shared.contracts.notifications import Notification
from shared.db.account_lock import Account, lock_accounts
from shared.db.connection import Connection
from shared.messaging.outcome import Deferred, Done, ListOutcome
from shared.messaging.unit_of_work import UnitOfWork
from shared.rules.notices import notices

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[M]):
    """Messages about accounts of one tenant, one about each, under their locks; `now` is tenant time."""

    uow: UnitOfWork
    deps: Deps
    tenant_id: UUID
    messages: Mapping[str, Envelope[M]]  # by the account's id
    now: dt.datetime

    @property
    def conn(self) -> Connection:
        """The transaction's connection."""
        return self.uow.conn

    async def standings(self) -> list[tuple[Envelope[M], Standing]]:
        """Each message and where its account stands, in the order of the ids; without those of no account."""
        found = await read_standings(self.conn, self.tenant_id, list(self.messages))
        return [(self.messages[each.account.account_id], each) for each in found]

    def say(self, cause: Envelope[M], *messages: Message) -> None:
        """Publish events and commands about the account of ``cause``."""
        self.uow.publish(*(cause.follow(message, source=SOURCE, at=self.now) for message in messages))

    async def tell(
        self, told: Sequence[tuple[Envelope[M], Standing, Mapping[str, object]]], notification: Notification
    ) -> None:
        """Notify these accounts' people on every channel; with each its notice's parameters."""
        if not told:
            return
        letterhead = await read_letterhead(self.conn, self.tenant_id)
        ids = [standing.account.account_id for _, standing, _ in told]
        contacts = await read_contacts_of(self.conn, self.tenant_id, ids)
        for cause, standing, params in told:
            account = standing.account
            to = everywhere(
                account,
                contacts.get(account.account_id, []),
                now=self.now,
                tenant_name=letterhead.name,
                tenant_colour=letterhead.colour,
            )
            self.say(cause, *notices(to, notification, params, new_id=self.deps.new_id))


async def open_pages(messages: Sequence[Envelope[M]], uow: UnitOfWork, deps: Deps) -> list[Page[M]]:
    """Take the locks of the accounts, clocks first as everywhere; `judged` says what is in no page."""
    clocks = {tenant_id: await hold_clock(uow.conn, tenant_id) for tenant_id in sorted({m.tenant_id for m in messages})}
    held = await lock_accounts(uow.conn, [_whose(message) for message in messages])
    by_tenant: dict[UUID, dict[str, Envelope[M]]] = defaultdict(dict)
    for message in messages:
        tenant_id, account_id = _whose(message)
        if (tenant_id, account_id) in held:
            by_tenant[tenant_id].setdefault(account_id, message)
    return [
        Page(uow=uow, deps=deps, tenant_id=tenant_id, messages=own, now=clocks[tenant_id])
        for tenant_id, own in sorted(by_tenant.items())
    ]


def judged(messages: Sequence[Envelope[M]], pages: Collection[Page[M]]) -> list[ListOutcome]:
    """Done is what a page holds. The others go singly: somebody else had the account's lock, or it came twice."""
    done = {message.id for page in pages for message in page.messages.values()}
    return [Done() if message.id in done else Deferred() for message in messages]


def _whose(message: Envelope[Message]) -> Account:
    return message.tenant_id, message.account_id or ""  # nobody has the empty id
