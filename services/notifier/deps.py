"""What the notifier's handlers and duties may use."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from services.notifier.adapters.dispute_links import DisputeLinks
from services.notifier.adapters.renderer import Renderer
from services.notifier.adapters.senders import Senders
from services.notifier.adapters.webhook_http import Posters
from shared.contracts.types import Channel
from shared.crypto.keyring import KeyRing
from shared.db.pool import Database
from shared.messaging.relay import Relay


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """`wake` and `webhook_wake` tell a dispatcher that something was queued; it would find it within a second."""

    database: Database
    relay: Relay
    seal: KeyRing
    dispute_links: DisputeLinks
    renderer: Renderer
    live: Senders
    sandbox: Senders
    posters: Posters
    wake: Mapping[Channel, asyncio.Event]
    webhook_wake: asyncio.Event
    public_url: str
    domain: str

    def senders(self, *, is_sandbox: bool) -> Senders:
        """The providers of a tenant's world."""
        return self.sandbox if is_sandbox else self.live
