"""SHA-512 crypt (``$6$…``), as "Unix crypt using SHA-256 and SHA-512" by U. Drepper, version 0.6, says.

Python's own module for it is gone since 3.13, and asks the C library, which not every system has it in.
"""

import hashlib

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 64  # bytes of SHA-512
_THIRD = 21  # the digest's bytes are written in three strands of 21, and one byte more


def sha512_crypt(password: bytes, salt: bytes, rounds: int) -> str:
    """The 86 characters behind the last dollar sign; ``salt`` is at most 16 bytes."""
    alternate = hashlib.sha512(password + salt + password).digest()
    first = hashlib.sha512(password + salt + _stretched(alternate, len(password)))
    length = len(password)
    while length:
        first.update(alternate if length & 1 else password)
        length >>= 1
    digest = first.digest()

    of_password = _stretched(hashlib.sha512(password * len(password)).digest(), len(password))
    of_salt = _stretched(hashlib.sha512(salt * (16 + digest[0])).digest(), len(salt))
    for number in range(rounds):
        odd = number & 1
        parts = [of_password if odd else digest]
        if number % 3:
            parts.append(of_salt)
        if number % 7:
            parts.append(of_password)
        parts.append(digest if odd else of_password)
        digest = hashlib.sha512(b"".join(parts)).digest()
    return _written(digest)


def _stretched(digest: bytes, length: int) -> bytes:
    return (digest * (length // _LENGTH + 1))[:length]


def _written(digest: bytes) -> str:
    """Groups of three bytes from the three strands, which take turns to be first (step 22 e of the description)."""
    groups = []
    for number in range(_THIRD):
        strands = [number, number + _THIRD, number + 2 * _THIRD]
        turn = number % 3
        first, second, third = strands[turn:] + strands[:turn]
        groups.append(_digits(digest[first] << 16 | digest[second] << 8 | digest[third], 4))
    return "".join((*groups, _digits(digest[-1], 2)))


def _digits(number: int, count: int) -> str:
    return "".join(_ALPHABET[number >> 6 * place & 0x3F] for place in range(count))
