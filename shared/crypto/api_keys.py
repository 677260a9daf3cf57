"""API keys: ``df_live_…`` and ``df_test_…``, 256 random bits, with a checksum that finds a typing error.

The prefix lets scanners of repositories find a key that leaked; the checksum lets them, and us, tell one from noise.
"""

import re
import secrets
import zlib

from shared.crypto.digests import token_digest
from shared.secret import Secret

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # a double click selects the whole key
_RANDOM_BITS = 256
_RANDOM_LENGTH = 43  # digits of base 62 for 256 bits
_CHECKSUM_LENGTH = 6  # digits of base 62 for 32 bits
_SHOWN_END = 4
_FORM = re.compile(rf"df_(?:live|test)_[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}")


def new_api_key(is_sandbox: bool) -> Secret[str]:  # noqa: FBT001 - the one thing that tells two keys apart
    """A fresh key; shown once, kept only as its `api_key_digest`."""
    body = f"df_{'test' if is_sandbox else 'live'}_{_base62(secrets.randbits(_RANDOM_BITS), _RANDOM_LENGTH)}"
    return Secret(body + _checksum(body))


def is_wellformed(key: str) -> bool:
    """Whether the text can be a key at all: prefix, length and checksum fit."""
    return _FORM.fullmatch(key) is not None and _checksum(key[:-_CHECKSUM_LENGTH]) == key[-_CHECKSUM_LENGTH:]


def api_key_digest(key: str) -> bytes:
    """SHA-256, 32 bytes: what is stored and looked up."""
    return token_digest(key)


def api_key_hint(key: Secret[str]) -> str:
    """Prefix and last four characters, as in ``df_live_…x7Qd``, so that a person can tell two keys apart."""
    text = key.reveal()
    return f"{text[: len('df_live_')]}…{text[-_SHOWN_END:]}"


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
