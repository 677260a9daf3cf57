"""What moves between systems with an account, as it travels to otp_worker: only that one can open it."""

from shared.contracts.types import Value

OWN_SHAPE = "X" * 17
"""How our own backup codes are written when they are hashed: slot and characters, without dashes."""


class _Moved(Value):
    """Does not print itself."""

    def __repr_args__(self) -> tuple[()]:
        """Nothing of it."""
        return ()


class MovedSeed(_Moved):
    """An authenticator's seed, base32 without padding: SHA-1, six digits, steps of 30 seconds."""

    seed: str
    name: str | None = None


class MovedCode(_Moved):
    """The hash of a backup code in one of the forms of `shared.crypto.foreign_hashes`.

    `shape`: how the code was written when it was hashed (`shared.rules.foreign_codes`).
    """

    hash: str
    shape: str | None = None


class MovedSecrets(_Moved):
    """All of an account."""

    seeds: tuple[MovedSeed, ...] = ()
    codes: tuple[MovedCode, ...] = ()
    recovery_key: MovedCode | None = None  # of another Deskfactor: `OWN_SHAPE`, argon2id
