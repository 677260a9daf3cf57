"""What the signature of a head is good for."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from services.audit.adapters.signing import HeadSigner, is_genuine, public_keys
from services.audit.domain.heads import Head
from shared.crypto.keyring import load_ring

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def test_a_signature_is_good_for_its_head_and_key_only(key_dir: Path) -> None:
    """A signed head that can be changed or moved to another tenant proves nothing."""
    ring = load_ring(key_dir, "sign.audit")
    keys = public_keys(ring)
    head = Head(tenant_id=UUID(int=1), seq=5, hash=bytes(range(32)), signed_seq=0, signed_at=None)
    signed = HeadSigner(ring).sign(head, NOW)

    assert is_genuine(signed, keys)
    assert not is_genuine(replace(signed, seq=4), keys)
    assert not is_genuine(replace(signed, hash=bytes(32)), keys)
    assert not is_genuine(replace(signed, tenant_id=UUID(int=2)), keys)
    assert not is_genuine(replace(signed, signed_at=NOW + HOUR), keys)
    assert not is_genuine(replace(signed, key_id="k9"), keys)
    assert not is_genuine(signed, public_keys(load_ring(key_dir, "sign.assertion")))
