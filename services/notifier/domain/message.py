"""A message as it leaves: words only, no addresses."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedEmail:
    """Subject (one line), plain text and HTML of one mail. Not printed: a code is in all three."""

    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a notice was about, in one line, and when that was, in words; `language` is an ISO 639 code."""

    subject: str
    happened_at: str | None
    language: str
