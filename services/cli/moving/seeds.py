"""Seeds of authenticators as other systems write them: base32, hexadecimal, or the URI of the QR code."""

import base64
import binascii
import re
from urllib.parse import parse_qs, urlsplit

from services.cli.moving.faults import Fault

SHORTEST = 10  # bytes: 80 bits were the default of early authenticators; nobody types a new one in
LONGEST = 64  # bytes: HMAC-SHA-1 hashes what is longer (RFC 2104, 2)

_NOISE = re.compile(r"[\s-]")
_HEX = re.compile(r"[0-9A-Fa-f]{16,}")
_SUPPORTED = {"algorithm": ("totp_algorithm", "SHA1"), "digits": ("totp_digits", "6"), "period": ("totp_period", "30")}


def read_seed(text: str) -> str | Fault:
    """Base32 without padding. Hexadecimal has ``hex:`` in front: of 32 characters nobody can tell which they are."""
    bare = text.strip()
    if bare.lower().startswith("otpauth:"):
        found = _secret_of(bare)
        return found if isinstance(found, Fault) else _canonical(found)
    if bare.lower().startswith("hex:"):
        try:
            return _checked(bytes.fromhex(_NOISE.sub("", bare[len("hex:") :])))
        except ValueError:
            return Fault("totp", "seed_malformed")
    return _canonical(bare)


def _canonical(text: str) -> str | Fault:
    bare = _NOISE.sub("", text).upper().rstrip("=")
    try:
        return _checked(base64.b32decode(bare + "=" * (-len(bare) % 8)))
    except binascii.Error:
        return Fault("totp", "seed_hex_unmarked" if _HEX.fullmatch(bare) else "seed_malformed")


def _checked(seed: bytes) -> str | Fault:
    if len(seed) < SHORTEST:
        return Fault("totp", "seed_too_short")
    if len(seed) > LONGEST:
        return Fault("totp", "seed_too_long")
    return base64.b32encode(seed).decode().rstrip("=")


def _secret_of(uri: str) -> str | Fault:
    """Of an ``otpauth://totp/…?secret=…`` (Key URI Format). What we would compute otherwise is refused."""
    try:
        parts = urlsplit(uri)
        given = {name.lower(): values[-1] for name, values in parse_qs(parts.query).items()}
    except ValueError:
        return Fault("totp", "otpauth_malformed")
    if parts.netloc.lower() != "totp":
        return Fault("totp", "totp_type")
    for name, (reason, only) in _SUPPORTED.items():
        if given.get(name, only).upper().replace("-", "") != only:
            return Fault("totp", reason)
    return given.get("secret") or Fault("totp", "otpauth_malformed")
