"""The languages that people's pages are written in: the account's where it is known, else the browser's."""

from typing import Final

LANGUAGES: Final = ("en", "de")
FALLBACK: Final = "en"


def page_language(tag: str) -> str:
    """The language of the pages for a BCP 47 tag (``de-AT``: ``de``); English where there is none."""
    return _known(tag) or FALLBACK


def preferred_language(accepted: str | None) -> str:
    """The first language of an Accept-Language header (RFC 9110, 12.5.4), by its weights, that there are pages in."""
    wishes = [_wish(part) for part in (accepted or "")[:1000].split(",")]
    ordered = sorted((each for each in wishes if each[1] > 0), key=lambda wish: -wish[1])  # equal ones as they stand
    return next((known for tag, _ in ordered if (known := _known(tag))), FALLBACK)


def _wish(part: str) -> tuple[str, float]:
    tag, _, parameters = part.partition(";")
    name, _, weight = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return tag.strip(), 1.0
    try:
        return tag.strip(), min(1.0, float(weight))
    except ValueError:
        return tag.strip(), 0.0


def _known(tag: str) -> str | None:
    primary = tag.replace("_", "-").partition("-")[0].lower()
    return primary if primary in LANGUAGES else None
