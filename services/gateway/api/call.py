"""One request of a caller, parsed and allowed, and what its handler may do with it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from services.gateway.api.auth import Caller
from services.gateway.api.contacts import Contacts
from services.gateway.api.known_keys import Keys
from services.gateway.downloads import Downloads
from services.gateway.problems import Problem, of_refusal
from services.gateway.prompt.not_me import NotMePage
from services.gateway.prompt.recovery_cancel import RecoveryCancelPage
from services.gateway.prompt.rendering import Pages
from services.gateway.prompt.report_download import ReportDownloadPage
from services.gateway.prompt.sessions import HostedPages
from services.gateway.queries.tenants import load_tenant
from services.gateway.replies import Asker, Dependencies
from services.gateway.settings import GatewaySettings
from shared.clock import host_now
from shared.contracts.commands import Request
from shared.contracts.envelope import begin
from shared.contracts.tenant import TenantSettings
from shared.contracts.types import RequestKey
from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import seal, typed_place, webhook_place
from shared.db.pool import Database
from shared.messaging.relay import Relay
from shared.secret import Secret

SOURCE = "/gateway"

B = TypeVar("B")
Q = TypeVar("Q")


class Nothing(BaseModel):
    """A body or a query that holds nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


NOTHING = Nothing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """What handlers may use."""

    settings: GatewaySettings
    asker: Asker
    health: Dependencies
    database: Database
    relay: Relay
    keys: Keys
    contacts: Contacts
    downloads: Downloads
    answers: KeyRing  # seal.gateway
    typed: KeyRing  # seal.otp_worker
    notifier: KeyRing  # seal.notifier
    digests: KeyRing  # digest.gateway


DEPS = web.AppKey("deps", Deps)
HTML = web.AppKey("html", Pages)
CANCEL_PAGE = web.AppKey("cancel_page", RecoveryCancelPage)
NOT_ME_PAGE = web.AppKey("not_me_page", NotMePage)
DOWNLOAD_PAGE = web.AppKey("download_page", ReportDownloadPage)
HOSTED_PAGES = web.AppKey("hosted_pages", HostedPages)


@dataclass(frozen=True, slots=True)
class Said:
    """The data of an answer; the route knows its status."""

    data: Mapping[str, object]


Outcome = Said | Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[B, Q]):
    """What a handler gets: the ids in the path are well formed, body and query are valid."""

    deps: Deps
    caller: Caller
    body: B
    query: Q
    path: Mapping[str, str]
    key: RequestKey | None = None  # the Idempotency-Key, on routes that want one
    deadline: dt.datetime
    is_head: bool = False  # only the head of the answer will be sent
    correlation_id: UUID | None = None

    @property
    def tenant_id(self) -> UUID:
        """The caller's."""
        return self.caller.tenant_id

    @property
    def account_id(self) -> str:
        """The one in the path."""
        return self.path["account_id"]

    def id(self, name: str) -> UUID:
        """A UUID in the path."""
        return UUID(self.path[name])

    async def contacts(self) -> Contacts:
        """Makes contacts, phones within the tenant's countries."""
        async with self.deps.database.transaction([self.tenant_id]) as conn:
            tenant = await load_tenant(conn, self.tenant_id)
        return self.deps.contacts.within(TenantSettings.model_validate(tenant.settings).countries)

    def seal_typed(self, record: str, field: str, value: str) -> str:
        """What a person typed, readable by otp_worker only, and only for this record."""
        return seal(self.deps.typed, Secret(value), typed_place(self.tenant_id, record, field))

    def seal_webhook_url(self, endpoint_id: UUID, url: str) -> str:
        """Where events are to go, readable by the notifier only: there may be a password in it."""
        return seal(self.deps.notifier, Secret(url), webhook_place(self.tenant_id, endpoint_id, "url"))

    async def ask(
        self,
        command: Request,
        *,
        account_id: str | None = None,
        actor: str | None = None,
        at_most: dt.timedelta | None = None,
    ) -> Outcome:
        """Ask the service that decides.

        ``actor``: the account id of the admin who acts through this key. ``at_most``: less than the request has left.
        """
        envelope = begin(
            command if command.request is self.key else command.model_copy(update={"request": self.key}),
            tenant_id=self.tenant_id,
            account_id=account_id,
            actor=f"admin:{actor}" if actor else self.caller.actor,
            source=SOURCE,
            at=host_now(),
            correlation_id=self.correlation_id,
        )
        until = self.deadline if at_most is None else min(self.deadline, host_now() + at_most)
        answer = await self.deps.asker.ask(envelope, until=until)
        return of_refusal(answer.refusal) if answer.refusal else Said(answer.data or {})
