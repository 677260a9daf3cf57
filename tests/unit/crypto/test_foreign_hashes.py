"""Hashes of other systems: every form is recognised, says what it costs, and fits its code and no other."""

import base64
import hashlib
import hmac

import bcrypt
import pytest
from argon2 import PasswordHasher, Type

from shared.crypto.foreign_hashes import ForeignHash, HashFault, read_hash

CODE = b"k7fq-29xw"
SALT = b"0123456789abcdef"
COST = 4


def _bcrypt(code: bytes, prefix: bytes = b"2b") -> str:
    return bcrypt.hashpw(code, bcrypt.gensalt(COST)).replace(b"$2b$", b"$" + prefix + b"$").decode()


def _adapted(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=").replace("+", ".")


def _pbkdf2(name: str) -> bytes:
    return hashlib.pbkdf2_hmac(name, CODE, SALT, 1000)


def _passlib_bcrypt(version: int) -> str:
    """After passlib's description of `bcrypt_sha256`: a SHA-256 first, keyed by the salt in version 2."""
    salt = bcrypt.gensalt(COST)
    text = salt[-22:]
    short = hmac.digest(text, CODE, "sha256") if version == 2 else hashlib.sha256(CODE).digest()
    digest = bcrypt.hashpw(base64.b64encode(short), salt)[-31:].decode()
    options = f"v=2,t=2b,r={COST}" if version == 2 else f"2b,{COST}"
    return f"$bcrypt-sha256${options}${text.decode()}${digest}"


def _argon2(kind: Type) -> str:
    return PasswordHasher(time_cost=1, memory_cost=256, parallelism=1, type=kind).hash(CODE)


FORMS = {
    "bcrypt 2b": _bcrypt(CODE),
    "bcrypt 2a": _bcrypt(CODE, b"2a"),
    "bcrypt 2y": _bcrypt(CODE, b"2y"),
    "bcrypt of Django": f"bcrypt${_bcrypt(CODE)}",
    "bcrypt_sha256 of Django": f"bcrypt_sha256${_bcrypt(hashlib.sha256(CODE).hexdigest().encode())}",
    "bcrypt-sha256 of passlib, version 1": _passlib_bcrypt(1),
    "bcrypt-sha256 of passlib, version 2": _passlib_bcrypt(2),
    "argon2id": _argon2(Type.ID),
    "argon2i": _argon2(Type.I),
    "argon2d": _argon2(Type.D),
    "argon2 of Django": f"argon2{_argon2(Type.ID)}",
    "pbkdf2 of Django, SHA-1": f"pbkdf2_sha1$1000${SALT.decode()}${base64.b64encode(_pbkdf2('sha1')).decode()}",
    "pbkdf2 of Django, SHA-256": f"pbkdf2_sha256$1000${SALT.decode()}${base64.b64encode(_pbkdf2('sha256')).decode()}",
    "pbkdf2 of passlib, SHA-1": f"$pbkdf2$1000${_adapted(SALT)}${_adapted(_pbkdf2('sha1'))}",
    "pbkdf2 of passlib, SHA-256": f"$pbkdf2-sha256$1000${_adapted(SALT)}${_adapted(_pbkdf2('sha256'))}",
    "pbkdf2 of passlib, SHA-512": f"$pbkdf2-sha512$1000${_adapted(SALT)}${_adapted(_pbkdf2('sha512'))}",
    "pbkdf2 in hex, SHA-256": f"pbkdf2:sha256:1000${SALT.decode()}${_pbkdf2('sha256').hex()}",
    "pbkdf2 in hex, SHA-512": f"pbkdf2:sha512:1000${SALT.decode()}${_pbkdf2('sha512').hex()}",
    "SHA-512 in hex": hashlib.sha512(CODE).hexdigest(),
    "SHA-512 in hex, capitals": hashlib.sha512(CODE).hexdigest().upper(),
    "SHA-512 in base64": base64.b64encode(hashlib.sha512(CODE).digest()).decode(),
}

# From the description of SHA-crypt, version 0.6, and from OpenSSL.
_CRYPT_10000 = (
    "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/"
    "y3RnOaw5v."
)
SHA512_CRYPT = [
    (
        b"Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    (b"Hello world!", _CRYPT_10000),
    (b"x", "$6$abcd$gsWxqvLRISGhGnQH47fUxISq3UohuajBwC00Wq5Y5gTxD4NDmpSoYwnohkRGczPW.ss4rTLIkbm.zjyVWRC/5."),
    (
        b"p" * 100,
        "$6$sixteensixteensi$wH4vXL9CVeSIswqkcWrqliMSBH5ct2u6ZTu63w3Yo2lagmzlYbtUXu3oba.xfgeMXQjHFBDQMLvWLDs2DhMsU/",
    ),
]


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_a_hash_fits_its_code_and_no_other(text: str) -> None:
    """One form misread, and the paper of everybody who came from that system is worthless."""
    hashed = read_hash(text)
    assert isinstance(hashed, ForeignHash)
    assert hashed.fits(CODE)
    assert not hashed.fits(CODE.upper())
    assert not hashed.fits(b"")
    assert not hashed.fits(b"\x00" * 100)


@pytest.mark.parametrize(("code", "text"), SHA512_CRYPT)
def test_sha512_crypt_is_the_one_of_its_description(code: bytes, text: str) -> None:
    """Ours is written from the description: it must agree with everybody else's."""
    hashed = read_hash(text)
    assert isinstance(hashed, ForeignHash)
    assert hashed.fits(code)
    assert not hashed.fits(code + b"!")


@pytest.mark.parametrize(
    "text",
    [
        "$2b$16$" + "a" * 53,
        "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=19$m=65536,t=900,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=19$m=262144,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=19$m=65536,t=1,p=9999$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        "pbkdf2_sha256$90000000$salt$" + base64.b64encode(b"h" * 32).decode(),
        f"pbkdf2:sha256:300000$salt${'ab' * 180}",
        "$6$rounds=900000000$salt$" + "a" * 86,
    ],
)
def test_a_hash_that_would_keep_us_busy_is_refused(text: str) -> None:
    """The file says what a try costs, in time, memory and threads: the price is read before the first one."""
    assert read_hash(text) is HashFault.TOO_COSTLY


@pytest.mark.parametrize(
    "text",
    [
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
        "$2b$12$" + "a" * 53,
    ],
    ids=["argon2-cffi", "Django", "bcrypt"],
)
def test_what_the_usual_libraries_make_by_default_is_taken(text: str) -> None:
    """A bound that nobody's codes come under would be a feature that is not there."""
    assert isinstance(read_hash(text), ForeignHash)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12345678",
        "k7fq-29xw",
        "$2b$10$short",
        "$2b$03$" + "a" * 53,
        "$1$abcdefgh$G//4keteveJp0qb8z2DxG/",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "pbkdf2_sha256$0$salt$aGFzaA==",
        "pbkdf2_md5$1000$salt$aGFzaA==",
        "x" * 100_000,
        hashlib.sha512(CODE).hexdigest() + "\n",
    ],
)
def test_what_is_no_hash_we_know_is_refused(text: str) -> None:
    """Codes in clear, unsalted MD5, and noise: told at the import, not at the first login."""
    assert read_hash(text) is HashFault.UNKNOWN_FORM


def test_a_hash_does_not_print_itself() -> None:
    """It may be all that somebody needs to guess the code."""
    assert "0123" not in repr(read_hash(FORMS["pbkdf2 of Django, SHA-1"]))
