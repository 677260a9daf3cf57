"""What people type, read as forgivingly as nothing is lost by it."""

import unicodedata

CODE_DIGITS = 6  # RFC 4226, 5.3


def without_separators(typed: str) -> str:
    """Spaces and dashes fall away; characters of other widths are the ordinary ones (NFKC)."""
    return "".join(
        character
        for character in unicodedata.normalize("NFKC", typed)
        if not character.isspace() and unicodedata.category(character) != "Pd"
    )


def digits(typed: str) -> str | None:
    """The digits of a one-time code; None: it is something else."""
    bare = without_separators(typed)
    return bare if len(bare) == CODE_DIGITS and bare.isascii() and bare.isdigit() else None
