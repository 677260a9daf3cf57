"""Key rings: made once and for good, read or refused with a reason, and never shown."""

import base64
import json
import secrets
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.crypto.keyring import KEY_BYTES, RING_NAMES, KeyRing, KeyRingError, UnknownKey, create_rings, load_ring

KEY = base64.urlsafe_b64encode(b"k" * KEY_BYTES).decode()


def test_rings_are_made_once_whole_and_for_the_owner_only(tmp_path: Path) -> None:
    """A ring that was made anew would make everything sealed under the old one unreadable."""
    folder = tmp_path / "keys"
    assert create_rings(folder) == list(RING_NAMES)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert create_rings(folder) == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert {path.name for path in folder.iterdir()} == {f"{name}.json" for name in RING_NAMES}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    keys = {load_ring(folder, name).active for name in RING_NAMES}
    assert len(keys) == len(RING_NAMES)


def test_only_what_is_missing_is_made(tmp_path: Path) -> None:
    """A ring that came with a new version is added; those that are there stay."""
    create_rings(tmp_path)
    kept = load_ring(tmp_path, "rest").active
    (tmp_path / "cancel.json").unlink()
    assert create_rings(tmp_path) == ["cancel"]
    assert load_ring(tmp_path, "rest").active == kept


def test_of_two_who_make_rings_at_once_one_succeeds(tmp_path: Path) -> None:
    """Two processes that start together must end with the same key, or one cannot read what the other sealed."""
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: create_rings(tmp_path), range(8)))
    assert sorted(name for names in made for name in names) == sorted(RING_NAMES)
    assert len(list(tmp_path.iterdir())) == len(RING_NAMES)


def test_an_old_key_is_found_by_its_id_and_an_unknown_one_fails_closed(tmp_path: Path) -> None:
    """After a rotation old values are still opened; a value whose key is gone decides nothing."""
    other = base64.urlsafe_b64encode(b"o" * KEY_BYTES).decode()
    (tmp_path / "rest.json").write_text(json.dumps({"active": "k2", "keys": {"k1": KEY, "k2": other}}))
    ring = load_ring(tmp_path, "rest")
    assert (ring.active_id, ring.active, ring.key("k1")) == ("k2", b"o" * KEY_BYTES, b"k" * KEY_BYTES)
    with pytest.raises(UnknownKey, match="ring rest holds no key 'k9'"):
        ring.key("k9")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"", "not a key ring"),
        (b"\xff\xfe", "not a key ring"),
        (b"[]", "not a key ring"),
        (b'{"active": "k1"}', "not a key ring"),
        (json.dumps({"active": "k1", "keys": {"k1": KEY}, "more": 1}).encode(), "not a key ring"),
        (json.dumps({"active": "k1", "keys": {"k1": "!"}}).encode(), "not a key ring|a key is 32 bytes"),
        (json.dumps({"active": "k1", "keys": {"k1": "ä" * 44}}).encode(), "not a key ring"),
        (json.dumps({"active": "k1", "keys": {}}).encode(), "the active key is not among the keys"),
        (json.dumps({"active": "k2", "keys": {"k1": KEY}}).encode(), "the active key is not among the keys"),
        (json.dumps({"active": "k1", "keys": {"k1": KEY[:-4]}}).encode(), "k1: a key is 32 bytes"),
        (json.dumps({"active": "k.1", "keys": {"k.1": KEY}}).encode(), "neither dot nor bar"),
        (json.dumps({"active": "k|1", "keys": {"k|1": KEY}}).encode(), "neither dot nor bar"),
    ],
)
def test_a_file_that_is_no_ring_says_why_and_shows_no_key(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """The service does not start, and its operator reads what to mend; a log is no place for a key."""
    if content is not None:
        (tmp_path / "rest.json").write_bytes(content)
    with pytest.raises(KeyRingError, match=reason) as refused:
        load_ring(tmp_path, "rest")
    assert str(tmp_path / "rest.json") in str(refused.value)
    assert KEY[:8] not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None or refused.value.__suppress_context__  # a parser's error quotes its input


def test_a_ring_does_not_show_its_keys() -> None:
    """It is a field of many objects, and some of them end in a log."""
    key = secrets.token_bytes(KEY_BYTES)
    assert str(key) not in repr(KeyRing("rest", "k1", {"k1": key}))
    assert "k1" in repr(KeyRing("rest", "k1", {"k1": key}))
