"""Backup codes of another system: how what a person types is brought into the form that was hashed there.

A hash is of a code as that system wrote it. Where it is known how that was (a *shape*), one text is hashed; where it is
not, the usual ways of writing are tried, each of which costs a comparison with every hash.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType

MOST_CODES = 20  # an account
MOST_WRITINGS = 4  # texts that are tried where no shape is known

_SHAPE = re.compile(r"[xX*][xX*. _:-]{4,62}[xX*]")
_LONGEST = 100  # characters
_WRITE: Mapping[str, Callable[[str], str]] = MappingProxyType({"x": str.lower, "X": str.upper, "*": str})


def is_shape(text: str) -> bool:
    """Whether this says how codes are written.

    ``x`` is a small letter or a digit, ``X`` a capital letter or a digit, ``*`` a character as it was typed; dashes,
    dots, colons, underscores and spaces stand for themselves.
    """
    return _SHAPE.fullmatch(text) is not None


def writings(typed: str, shape: str | None) -> tuple[str, ...]:
    """The texts that may have been hashed, at most `MOST_WRITINGS`; none: it cannot be such a code."""
    text = unicodedata.normalize("NFKC", typed).strip()
    bare = "".join(c for c in text if c.isalnum())
    if not bare or len(text) > _LONGEST:
        return ()
    if shape is None:
        return tuple(dict.fromkeys((text, bare, bare.lower(), bare.upper())))
    written = _filled(shape, bare)
    return () if written is None else (written,)


def _filled(shape: str, bare: str) -> str | None:
    """The characters in the places of the shape; None: there are too many or too few."""
    if sum(place in _WRITE for place in shape) != len(bare):
        return None
    characters = iter(bare)
    return "".join(_WRITE[place](next(characters)) if place in _WRITE else place for place in shape)
