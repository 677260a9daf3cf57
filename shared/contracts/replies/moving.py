"""Answers about moving in from another system, and out."""

import enum

from shared.contracts.replies.refusal import RefusalCode
from shared.contracts.types import Value


class ImportRefusal(enum.StrEnum):
    """Why a part of what an account had elsewhere was not taken over."""

    ENROLLED_HERE = "enrolled_here"  # it has a factor of its own: another one takes a fresh proof
    TOO_MANY_FACTORS = "too_many_factors"
    CODES_MADE_HERE = "codes_made_here"
    KEY_MADE_HERE = "key_made_here"
    TOO_MANY_CODES = "too_many_codes"


class ImportedFactors(Value):
    """What an import brought; `known` was there from an import before, or ended here since."""

    factors: int
    backup_codes: int
    known: int
    recovery_keys: int = 0
    refused: tuple[ImportRefusal, ...] = ()


class ImportedAccounts(Value):
    """What became of each account, in the order in which they were given: None, or why it was not taken over."""

    refused: tuple[RefusalCode | None, ...]


class ManyImportedFactors(Value):
    """What became of each person's factors, in the order in which they were given; None: there is no such account."""

    imported: tuple[ImportedFactors | None, ...]


class ExportedPage(Value):
    """A page of a tenant's copy: an age file, base64, that only the tenant can open."""

    sealed: str
    accounts: int
    next_after: str | None = None
