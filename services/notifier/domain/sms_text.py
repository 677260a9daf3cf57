"""How long a text is as an SMS, and how to keep it short (3GPP TS 23.038, 6.2.1; 3GPP TS 23.040, 9.2.3.24.1).

One character outside of the GSM 7-bit alphabet turns the whole text into UCS-2 and one segment from 160 characters into
70: a curly apostrophe doubles the bill.
"""

import unicodedata

_ALPHABET = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("^{}\\[~]|€")  # each is sent as two septets
_LOOKALIKES = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201a": "'",
        "\u201b": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "\u2010": "-",
        "\u2011": "-",
        "\u2012": "-",
        "\u2013": "-",
        "\u2014": "-",
        "\u2026": "...",
        "\u00a0": " ",
        "\u2009": " ",
        "\u202f": " ",
        "\u00ab": '"',
        "\u00bb": '"',
        "\u00e7": "Ç",
        "\u2022": "-",
    }
)
_SINGLE = 160
_PART = 153  # a segment of several gives seven septets to the header that joins them
_SINGLE_UCS2 = 70
_PART_UCS2 = 67


def to_gsm7(text: str) -> str:
    """``text`` in the GSM 7-bit alphabet: quotes and dashes made plain, accents dropped where the alphabet lacks them.

    Unchanged when that would lose a letter: Cyrillic or Arabic is better long than wrong.
    """
    plain = "".join(_nearest(each) for each in text.translate(_LOOKALIKES))
    return plain if _is_gsm7(plain) else text


def segments(text: str) -> int:
    """How many SMS the text is billed as."""
    if _is_gsm7(text):
        return _parts(sum(2 if each in _EXTENSION else 1 for each in text), _SINGLE, _PART)
    return _parts(len(text.encode("utf-16-be")) // 2, _SINGLE_UCS2, _PART_UCS2)


def _nearest(character: str) -> str:
    if character in _ALPHABET or character in _EXTENSION:
        return character
    bare = unicodedata.normalize("NFKD", character)[0]
    return bare if bare in _ALPHABET else character


def _is_gsm7(text: str) -> bool:
    return all(each in _ALPHABET or each in _EXTENSION for each in text)


def _parts(length: int, single: int, part: int) -> int:
    return 1 if length <= single else -(-length // part)
