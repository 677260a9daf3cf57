"""What the handlers may use beside their transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from services.policy.adapters.report_files import ReportFiles
from shared.contracts.types import Channel, DeliveryId, RecoveryId
from shared.crypto import digests
from shared.crypto.keyring import KeyRing, UnknownKey
from shared.crypto.sealing import BrokenSeal, seal, secret_param_place, typed_place, unseal
from shared.db.pool import Database
from shared.ids import new_id
from shared.messaging.relay import Relay
from shared.secret import Secret


class CancelLinks:
    """Links by which a recovery is cancelled without signing in: always the same for a request and a channel."""

    def __init__(self, *, ring: KeyRing, to_us: KeyRing, to_notifier: KeyRing, public_url: str) -> None:
        """``ring``: ``cancel``; ``to_us``: ``seal.policy``, for what comes in; ``to_notifier``: ``seal.notifier``."""
        self._ring = ring
        self._to_us = to_us
        self._to_notifier = to_notifier
        self._public_url = public_url.rstrip("/")

    def url(self, tenant_id: UUID, recovery_id: RecoveryId, channel: Channel) -> str:
        """The link for that channel's notice. Its page only shows; its button acts."""
        token = digests.digest(self._ring, str(tenant_id), str(recovery_id), channel)
        query = {"tenant": str(tenant_id), "request": str(recovery_id), "token": token}
        return f"{self._public_url}/recovery/cancel?{urlencode(query)}"

    def seal(self, tenant_id: UUID, account_id: str, delivery_id: DeliveryId, text: str) -> str:
        """A notice's parameters that hold a link, for nobody but the notifier."""
        return seal(self._to_notifier, Secret(text), secret_param_place(tenant_id, account_id, delivery_id))

    def is_genuine(self, tenant_id: UUID, recovery_id: RecoveryId, sealed: str) -> bool:
        """Whether the sealed token is one of the request's. What cannot be opened is a stranger's, not an outage."""
        try:
            token = unseal(self._to_us, sealed, typed_place(tenant_id, str(recovery_id), "token"))
            fitting = [
                self._fits(token, tenant_id, recovery_id, channel) for channel in Channel
            ]  # all, to take the same time
        except (BrokenSeal, UnknownKey, UnicodeError, TypeError):
            return False
        return any(fitting)

    def _fits(self, token: Secret[str], tenant_id: UUID, recovery_id: RecoveryId, channel: Channel) -> bool:
        return digests.matches(self._ring, token.reveal(), str(tenant_id), str(recovery_id), channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """For handlers and duties."""

    cancel_links: CancelLinks
    report_files: ReportFiles
    database: Database
    relay: Relay
    new_id: Callable[[], UUID] = new_id
