"""Hashes of backup codes as other systems keep them: recognised, priced, compared.

Whoever moves in brings hashes of codes that people have on paper. They are checked as they are, until their owner makes
new codes. What a comparison costs is chosen by a file, so it is judged before the first one: a hash may be made so slow
that one try keeps a processor busy for a day. docs/import.md shows each form.
"""

import base64
import binascii
import enum
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import bcrypt
from argon2.exceptions import VerificationError
from argon2.low_level import Type, verify_secret

from shared.crypto.sha512_crypt import sha512_crypt

MOST_MILLISECONDS = 300  # of one core, for one comparison
MOST_MILLISECONDS_A_TRY = (
    1_500  # for all that one try sets off: a busy processor must still answer in the request's time
)
MOST_MEMORY = 128 * 1024  # KiB of argon2, each of those that are computed at once; Django asks for 100 MiB
MOST_LANES = 16  # threads that argon2 starts for itself
LONGEST_HASH = 400  # characters

# About what they cost on a core of 2025; it is the order of magnitude that counts.
_BCRYPT = 0.06  # milliseconds for each of the 2^cost rounds
_ARGON2 = 1.25 / 1024  # for each KiB of each pass
_PBKDF2: Mapping[str, float] = MappingProxyType({"sha1": 0.00035, "sha256": 0.00035, "sha512": 0.00075})  # an iteration
_SHA512_CRYPT = 0.003  # a round
_PLAIN = 0.01

_BCRYPT_READS = 72  # bytes; the rest was never looked at
_DEFAULT_ROUNDS = 5_000  # of SHA-512 crypt
_TYPES = MappingProxyType({"id": Type.ID, "i": Type.I, "d": Type.D})


class HashFault(enum.StrEnum):
    """Why a hash cannot be taken over."""

    UNKNOWN_FORM = "hash_unknown"
    TOO_COSTLY = "hash_too_costly"


@dataclass(frozen=True, slots=True)
class ForeignHash:
    """A hash that can be compared with. `fits` takes about `milliseconds` of one core, whatever the answer."""

    milliseconds: float
    fits: Callable[[bytes], bool] = field(repr=False)


def read_hash(text: str) -> ForeignHash | HashFault:
    """Recognise a hash by its form; one that takes too long, too much memory or too many threads is a fault."""
    if len(text) > LONGEST_HASH:
        return HashFault.UNKNOWN_FORM
    for form, reader in _FORMS:
        found = form.fullmatch(text)
        if found is not None:
            try:
                hashed = reader(found)
            except (ValueError, binascii.Error):
                return HashFault.UNKNOWN_FORM
            return hashed if hashed.milliseconds <= MOST_MILLISECONDS else HashFault.TOO_COSTLY
    return HashFault.UNKNOWN_FORM


def _bcrypt(found: re.Match[str]) -> ForeignHash:
    """Also with Django's ``bcrypt$`` in front."""
    return _of_bcrypt(found["hash"], lambda code: code)


def _bcrypt_of_sha256(found: re.Match[str]) -> ForeignHash:
    """Django: bcrypt of the hexadecimal SHA-256, which is shorter than what bcrypt reads."""
    return _of_bcrypt(found["hash"], lambda code: hashlib.sha256(code).hexdigest().encode())


def _bcrypt_of_hmac(found: re.Match[str]) -> ForeignHash:
    """Passlib's ``bcrypt-sha256``: version 2 keys the SHA-256 with the salt, version 1 does not."""
    cost, salt = int(found["cost"]), found["salt"]

    def shortened(code: bytes) -> bytes:
        if found["version"]:
            return base64.b64encode(hmac.digest(salt.encode(), code, "sha256"))
        return base64.b64encode(hashlib.sha256(code).digest())

    return _of_bcrypt(f"$2b${cost:02}${salt}{found['digest']}", shortened)


def _of_bcrypt(stored: str, prepare: Callable[[bytes], bytes]) -> ForeignHash:
    kept = stored.encode()

    def fits(code: bytes) -> bool:
        try:
            return bcrypt.checkpw(prepare(code)[:_BCRYPT_READS], kept)
        except ValueError:  # a code with a zero byte in it, or a salt that is none
            return False

    return ForeignHash(_BCRYPT * 2 ** int(stored[4:6]), fits)


def _argon2(found: re.Match[str]) -> ForeignHash:
    """The PHC string, also with Django's ``argon2`` in front."""
    stored, kind = found["hash"].encode(), _TYPES[found["type"]]
    memory, passes, lanes = int(found["memory"]), int(found["passes"]), int(found["lanes"])

    def fits(code: bytes) -> bool:
        try:
            return verify_secret(stored, code, kind)
        except VerificationError:
            return False

    if memory > MOST_MEMORY or lanes > MOST_LANES:
        return ForeignHash(float("inf"), fits)
    return ForeignHash(_ARGON2 * memory * passes, fits)


def _pbkdf2_of_django(found: re.Match[str]) -> ForeignHash:
    return _pbkdf2(found, found["salt"].encode(), base64.b64decode(found["digest"], validate=True))


def _pbkdf2_of_passlib(found: re.Match[str]) -> ForeignHash:
    """Passlib's base64: a dot for the plus sign, no padding."""
    salt, digest = (_adapted_base64(found[name]) for name in ("salt", "digest"))
    return _pbkdf2(found, salt, digest)


def _pbkdf2_in_hex(found: re.Match[str]) -> ForeignHash:
    return _pbkdf2(found, found["salt"].encode(), bytes.fromhex(found["digest"]))


def _pbkdf2(found: re.Match[str], salt: bytes, kept: bytes) -> ForeignHash:
    name, iterations = found["name"] or "sha1", int(found["iterations"])
    if not kept or not iterations > 0:
        raise ValueError("empty")
    blocks = -(-len(kept) // hashlib.new(name).digest_size)  # RFC 8018, 5.2: each costs all iterations again

    def fits(code: bytes) -> bool:
        return hmac.compare_digest(hashlib.pbkdf2_hmac(name, code, salt, iterations, len(kept)), kept)

    return ForeignHash(_PBKDF2[name] * iterations * blocks, fits)


def _sha512_crypt(found: re.Match[str]) -> ForeignHash:
    rounds, salt = int(found["rounds"] or _DEFAULT_ROUNDS), found["salt"].encode()

    def fits(code: bytes) -> bool:
        return hmac.compare_digest(sha512_crypt(code, salt, rounds), found["digest"])

    return ForeignHash(_SHA512_CRYPT * rounds, fits)


def _sha512_in_hex(found: re.Match[str]) -> ForeignHash:
    return _sha512(bytes.fromhex(found[0]))


def _sha512_in_base64(found: re.Match[str]) -> ForeignHash:
    """As Keycloak keeps its recovery codes."""
    return _sha512(base64.b64decode(found[0], validate=True))


def _sha512(kept: bytes) -> ForeignHash:
    return ForeignHash(_PLAIN, lambda code: hmac.compare_digest(hashlib.sha512(code).digest(), kept))


def _adapted_base64(text: str) -> bytes:
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4), validate=True)


_HASH_OF_BCRYPT = r"(?P<hash>\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53})"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], ForeignHash]], ...] = (
    (re.compile(rf"(?:bcrypt\$)?{_HASH_OF_BCRYPT}"), _bcrypt),
    (re.compile(rf"bcrypt_sha256\${_HASH_OF_BCRYPT}"), _bcrypt_of_sha256),
    (
        re.compile(
            r"\$bcrypt-sha256\$(?:(?P<version>v=2,t=2b,r=)|2[ab],)(?P<cost>0?[4-9]|[12]\d|3[01])"
            r"\$(?P<salt>[./A-Za-z0-9]{22})\$(?P<digest>[./A-Za-z0-9]{31})"
        ),
        _bcrypt_of_hmac,
    ),
    (
        re.compile(
            r"(?:argon2)?(?P<hash>\$argon2(?P<type>id|i|d)\$(?:v=\d{1,3}\$)?m=(?P<memory>\d{1,9}),t=(?P<passes>\d{1,9}),"
            r"p=(?P<lanes>\d{1,9})\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{16,})"
        ),
        _argon2,
    ),
    (
        re.compile(
            r"pbkdf2_(?P<name>sha1|sha256|sha512)\$(?P<iterations>\d{1,9})\$(?P<salt>[^$]+)\$(?P<digest>[A-Za-z0-9+/]+=*)"
        ),
        _pbkdf2_of_django,
    ),
    (
        re.compile(
            r"\$pbkdf2(?:-(?P<name>sha256|sha512))?\$(?P<iterations>\d{1,9})\$(?P<salt>[./A-Za-z0-9]+)"
            r"\$(?P<digest>[./A-Za-z0-9]+)"
        ),
        _pbkdf2_of_passlib,
    ),
    (
        re.compile(
            r"pbkdf2:(?P<name>sha1|sha256|sha512):(?P<iterations>\d{1,9})\$(?P<salt>[^$]+)\$(?P<digest>[0-9A-Fa-f]+)"
        ),
        _pbkdf2_in_hex,
    ),
    (
        re.compile(r"\$6\$(?:rounds=(?P<rounds>\d{4,9})\$)?(?P<salt>[^$]{1,16})\$(?P<digest>[./A-Za-z0-9]{86})"),
        _sha512_crypt,
    ),
    (re.compile(r"[0-9A-Fa-f]{128}"), _sha512_in_hex),
    (re.compile(r"[A-Za-z0-9+/]{86}=="), _sha512_in_base64),
)
