"""When a head is signed, and what its signature is good for."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from services.audit.adapters.signing import HeadSigner, is_genuine, public_keys
from services.audit.domain.heads import Head, is_due
from shared.crypto.keyring import load_ring

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def head(seq: int, *, signed_seq: int = 0, signed_ago: dt.timedelta | None = None) -> Head:
    """A head as it stands at `NOW`."""
    return Head(
        tenant_id=UUID(int=1),
        seq=seq,
        hash=bytes(range(32)),
        signed_seq=signed_seq,
        signed_at=NOW - signed_ago if signed_ago is not None else None,
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (head(0), False),
        (head(1), True),
        (head(12, signed_seq=10, signed_ago=HOUR - dt.timedelta(microseconds=1)), False),
        (head(12, signed_seq=10, signed_ago=HOUR), True),
        (head(11, signed_seq=10, signed_ago=dt.timedelta(days=9)), False),
        (head(1009, signed_seq=10, signed_ago=dt.timedelta(0)), False),
        (head(1010, signed_seq=10, signed_ago=dt.timedelta(0)), True),
    ],
    ids=[
        "empty",
        "new",
        "within the hour",
        "after an hour",
        "only the head's own entry",
        "999 entries",
        "1000 entries",
    ],
)
def test_a_head_is_signed_every_hour_or_thousand_entries_but_not_for_its_own_entry(
    found: Head,
    expected: bool,  # noqa: FBT001
) -> None:
    """Signing for the entry that the last signature made would go on for ever, in every quiet tenant."""
    assert expected == is_due(found, NOW)


def test_a_signature_is_good_for_its_head_and_key_only(key_dir: Path) -> None:
    """A signed head that can be changed or moved to another tenant proves nothing."""
    ring = load_ring(key_dir, "sign.audit")
    keys = public_keys(ring)
    signed = HeadSigner(ring).sign(head(5), NOW)

    assert is_genuine(signed, keys)
    assert not is_genuine(replace(signed, seq=4), keys)
    assert not is_genuine(replace(signed, hash=bytes(32)), keys)
    assert not is_genuine(replace(signed, tenant_id=UUID(int=2)), keys)
    assert not is_genuine(replace(signed, signed_at=NOW + HOUR), keys)
    assert not is_genuine(replace(signed, key_id="k9"), keys)
    assert not is_genuine(signed, public_keys(load_ring(key_dir, "sign.assertion")))
