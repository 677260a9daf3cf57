"""The links "this was not me": made when a notice is put into words, so that they never travel or rest anywhere."""

from urllib.parse import urlencode
from uuid import UUID

from shared.crypto.digests import digest, matches
from shared.crypto.keyring import KeyRing, UnknownKey
from shared.crypto.sealing import BrokenSeal, typed_place, unseal

_WHAT = "dispute"  # a digest of this ring for anything else would not fit


class DisputeLinks:
    """Makes the links and knows them again: always the same one for a delivery, however often it is sent."""

    def __init__(self, *, ring: KeyRing, to_us: KeyRing, public_url: str) -> None:
        """``ring``: ``dispute``; ``to_us``: ``seal.notifier``, for what comes in."""
        self._ring = ring
        self._to_us = to_us
        self._public_url = public_url.rstrip("/")

    def url(self, tenant_id: UUID, delivery_id: UUID) -> str:
        """The link of one delivery. Its page only shows; its button acts."""
        token = digest(self._ring, _WHAT, str(tenant_id), str(delivery_id))
        query = {"tenant": str(tenant_id), "notice": str(delivery_id), "token": token}
        return f"{self._public_url}/not-me?{urlencode(query)}"

    def is_genuine(self, tenant_id: UUID, delivery_id: UUID, sealed: str) -> bool:
        """Whether the sealed token is the delivery's. What cannot be opened is a stranger's, not an outage."""
        try:
            token = unseal(self._to_us, sealed, typed_place(tenant_id, str(delivery_id), "token"))
            return matches(self._ring, token.reveal(), _WHAT, str(tenant_id), str(delivery_id))
        except (BrokenSeal, UnknownKey, UnicodeError, TypeError):
            return False
