"""Key rings: one file each, mounted only where needed.

A ring is a JSON file ``<name>.json``: ``{"active": "k1", "keys": {"k1": "<base64url, 32 bytes>"}}``. New values
are made with the active key and carry its id; old ones are opened with the key they name. A key that is not in the ring
fails closed: `UnknownKey` becomes a 503, never "no second factor".
"""

import base64
import binascii
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.contracts.types import Value
from shared.private_files import for_the_owner

KEY_BYTES = 32
RING_NAMES = (
    "rest",  # otp_worker: wraps the data keys of tenants, under which seeds rest
    "digest",  # otp_worker: codes, contacts
    "rest.audit",  # audit: wraps the data keys under which the payloads of entries rest
    "digest.gateway",  # gateway: contacts and request bodies, for comparing
    "seal.gateway",  # answers on their way to the gateway
    "seal.otp_worker",  # typed codes and tokens on their way to otp_worker
    "seal.policy",  # tokens of cancel links on their way to policy
    "seal.notifier",  # destinations and codes on their way to the notifier
    "sign.assertion",  # otp_worker: Ed25519 seeds
    "sign.audit",  # audit: Ed25519 seeds
    "cancel",  # policy: the links that cancel a recovery
    "dispute",  # notifier: the links "this was not me" in notices
)


class UnknownKey(Exception):
    """A value names a key that this ring does not hold, or a whole ring is not there. Nothing can be decided."""


class KeyRingError(Exception):
    """A ring's file cannot be used; the text says which and why, and holds no key."""


class _File(Value):
    active: str
    keys: dict[str, str]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by id; one of them is active."""

    name: str
    active_id: str
    keys: Mapping[str, bytes] = field(repr=False)

    @property
    def active(self) -> bytes:
        """The key that new values are made with."""
        return self.keys[self.active_id]

    def key(self, key_id: str) -> bytes:
        """The key of that id. Raises `UnknownKey`."""
        try:
            return self.keys[key_id]
        except KeyError:
            raise UnknownKey(f"ring {self.name} holds no key {key_id[:32]!r}") from None


def load_ring(folder: Path, name: str) -> KeyRing:
    """Read ``folder/name.json``. Raises `KeyRingError`."""
    path = folder / f"{name}.json"
    try:
        parsed = _File.model_validate_json(path.read_text())
        keys = {key_id: base64.urlsafe_b64decode(text) for key_id, text in parsed.keys.items()}
    except OSError as error:
        raise KeyRingError(f"{path}: {error.strerror}; `deskfactor keyring init` makes the rings") from None
    except (ValueError, binascii.Error):
        raise KeyRingError(f'{path}: not a key ring: {{"active": "<id>", "keys": {{"<id>": "<base64url>"}}}}') from None
    if parsed.active not in keys:
        raise KeyRingError(f"{path}: the active key is not among the keys")
    short = [key_id for key_id, key in keys.items() if len(key) != KEY_BYTES or "." in key_id or "|" in key_id]
    if short:
        raise KeyRingError(f"{path}: {', '.join(short)}: a key is {KEY_BYTES} bytes and its id has neither dot nor bar")
    return KeyRing(name, parsed.active, keys)


def create_rings(folder: Path) -> list[str]:
    """Make those of all rings that are missing, readable by the owner only; returns their names."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return [name for name in RING_NAMES if _create(folder / f"{name}.json")]


def _create(path: Path) -> bool:
    """Make a ring unless it is there; of two who do so at once one succeeds. After a crash it is whole, or not there.

    What was sealed under a key that did not outlive a power cut is lost: hence the wait for the disk.
    """
    if path.exists():
        return False
    key = base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(part, "x", opener=for_the_owner) as file:
            file.write(json.dumps({"active": "k1", "keys": {"k1": key}}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(part)
    except FileExistsError:
        return False
    finally:
        part.unlink(missing_ok=True)
    return True
