"""Links that act hold a tenant, an id and a token: read here, believed only by the service that made them."""

import re
from dataclasses import dataclass
from uuid import UUID

from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import seal, typed_place
from shared.secret import Secret

_TOKEN = re.compile(r"[A-Za-z0-9_.=-]{1,200}")


@dataclass(frozen=True, slots=True)
class Link:
    """What a link holds, if it has its form."""

    tenant_id: UUID
    subject: UUID
    token: Secret[str]

    def sealed(self, ring: KeyRing) -> str:
        """The token, for the service that judges it."""
        return seal(ring, self.token, typed_place(self.tenant_id, str(self.subject), "token"))


def read_link(tenant: object, subject: object, token: object) -> Link | None:
    """None: none of ours."""
    if not isinstance(tenant, str) or not isinstance(subject, str) or not isinstance(token, str):
        return None
    try:
        tenant_id, subject_id = UUID(tenant), UUID(subject)
    except ValueError:
        return None
    return Link(tenant_id, subject_id, Secret(token)) if _TOKEN.fullmatch(token) else None
