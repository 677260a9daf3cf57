"""A report outside of the rules: its content as it rests, and the link by which it is downloaded."""

import hmac
import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import UUID

from shared.contracts.types import DeliveryId, ReportId
from shared.crypto.digests import token_digest
from shared.crypto.keyring import KeyRing, UnknownKey
from shared.crypto.sealing import (
    BrokenSeal,
    report_chunk_place,
    seal,
    seal_bytes,
    secret_param_place,
    typed_place,
    unseal,
)
from shared.secret import Secret

_TOKEN_BYTES = 32
_FAST = 1  # of zlib's levels: lines are alike, more effort hardly makes them smaller


@dataclass(frozen=True, slots=True)
class Link:
    """A new link and what is kept of it."""

    url: str = field(repr=False)
    digest: bytes


class ReportFiles:
    """Seals content to the two who hold ``seal.policy``, so that a copy of the database shows nobody's list."""

    def __init__(self, *, ring: KeyRing, to_notifier: KeyRing, public_url: str) -> None:
        """``ring``: ``seal.policy``; ``to_notifier``: ``seal.notifier``."""
        self._ring = ring
        self._to_notifier = to_notifier
        self._public_url = public_url.rstrip("/")

    def chunk(self, tenant_id: UUID, report_id: ReportId, number: int, lines: Sequence[str]) -> tuple[str, int]:
        """A piece of the file, sealed, and how many bytes it is in the file."""
        content = "".join(lines).encode()
        place = report_chunk_place(tenant_id, report_id, number)
        return seal_bytes(self._ring, zlib.compress(content, _FAST), place), len(content)

    def new_link(self, tenant_id: UUID, report_id: ReportId) -> Link:
        """A link to the page whose button downloads."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        query = {"tenant": str(tenant_id), "report": str(report_id), "token": token}
        return Link(f"{self._public_url}/reports/download?{urlencode(query)}", token_digest(token))

    def is_genuine(self, tenant_id: UUID, report_id: ReportId, sealed: str, digest: bytes | None) -> bool:
        """Whether the sealed token is the link's. What cannot be opened is a stranger's, not an outage."""
        try:
            token = unseal(self._ring, sealed, typed_place(tenant_id, str(report_id), "token"))
        except (BrokenSeal, UnknownKey, UnicodeError):
            return False
        return hmac.compare_digest(token_digest(token.reveal()), digest or bytes(_TOKEN_BYTES))

    def seal(self, tenant_id: UUID, account_id: str, delivery_id: DeliveryId, text: str) -> str:
        """A notice's parameters that hold a link, for nobody but the notifier."""
        return seal(self._to_notifier, Secret(text), secret_param_place(tenant_id, account_id, delivery_id))
