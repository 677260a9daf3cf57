"""Dates, durations, names and colours, written for one reader. The functions are filters of the templates too."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

import jinja2
from babel import Locale, UnknownLocaleError
from babel.dates import (
    format_date,
    format_skeleton,
    format_time,
    get_datetime_format,
    get_timezone_gmt,
    get_timezone_name,
)
from babel.units import format_unit

_BRIEF_NAME: Final = 24  # characters of a tenant's name in an SMS
_LONGEST_ZONE_NAME: Final = 5  # "CEST" is a name, "Eastern Standard Time" is a sentence
_SPACES: Final = str.maketrans({"\u202f": " ", "\u00a0": " "})  # CLDR's narrow spaces would make an SMS UCS-2
_MINUTES_AN_HOUR: Final = 60
_HOURS_SAID_AS_DAYS: Final = 48
_LINEAR_BELOW: Final = 0.04045  # sRGB (IEC 61966-2-1)
_DARK_TEXT_FROM: Final = 0.179  # relative luminance where black and white text contrast alike (WCAG 2.2, 1.4.3)


def locale(tag: str) -> Locale | None:
    """The locale of a BCP 47 tag, ``None`` when there is none such."""
    try:
        return Locale.parse(tag.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        return None


def zone(name: str) -> dt.tzinfo:
    """The time zone of an IANA name; UTC when there is none such, for a notice in the wrong zone beats none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return dt.UTC


def moment(value: dt.datetime, *, zone: dt.tzinfo, locale: Locale) -> str:
    """An instant with day of the week, date, minutes and the zone's name: "Wednesday, 4 March 2026, 16:06 UTC"."""
    local = value.astimezone(zone)
    return _joined(format_date(local, "full", locale=locale), local, locale)


def short_moment(value: dt.datetime, *, zone: dt.tzinfo, locale: Locale) -> str:
    """The same for an SMS, without the year: "4 Mar, 16:06 UTC"."""
    local = value.astimezone(zone)
    return _joined(format_skeleton("MMMd", local, tzinfo=zone, locale=locale), local, locale)


def span(value: dt.timedelta, *, locale: Locale) -> str:
    """A duration in the largest unit that says it well, rounded to the nearest: "4 days", "36 hours", "45 minutes"."""
    minutes = max(round(value / dt.timedelta(minutes=1)), 0)
    hours = round(minutes / _MINUTES_AN_HOUR)
    if minutes < _MINUTES_AN_HOUR:
        return _counted(minutes, "minute", locale)
    if hours < _HOURS_SAID_AS_DAYS:
        return _counted(hours, "hour", locale)
    return _counted(round(value / dt.timedelta(days=1)), "day", locale)


@jinja2.pass_context
def datetime_filter(context: jinja2.runtime.Context, value: dt.datetime) -> str:
    """``{{ deadline|datetime }}``: `moment` for the reader of this rendering."""
    return moment(value, zone=context["zone"], locale=context["locale"])


@jinja2.pass_context
def short_datetime_filter(context: jinja2.runtime.Context, value: dt.datetime) -> str:
    """``{{ deadline|short_datetime }}``: `short_moment` for the reader of this rendering."""
    return short_moment(value, zone=context["zone"], locale=context["locale"])


@jinja2.pass_context
def duration_filter(context: jinja2.runtime.Context, value: dt.timedelta) -> str:
    """``{{ left|duration }}``: `span` for the reader of this rendering."""
    return span(value, locale=context["locale"])


@jinja2.pass_context
def minutes_filter(context: jinja2.runtime.Context, count: int) -> str:
    """``{{ minutes|minutes }}``: "10 minutes", with the plural of the reader's language."""
    return _counted(count, "minute", context["locale"])


@jinja2.pass_context
def hours_filter(context: jinja2.runtime.Context, count: int) -> str:
    """``{{ hours|hours }}``: "24 hours"."""
    return _counted(count, "hour", context["locale"])


@jinja2.pass_context
def days_filter(context: jinja2.runtime.Context, count: int) -> str:
    """``{{ days|days }}``: "7 days"."""
    return _counted(count, "day", context["locale"])


def brief(name: str) -> str:
    """A name cut to what an SMS has room for; the cut is shown."""
    return name if len(name) <= _BRIEF_NAME else name[: _BRIEF_NAME - 3].rstrip() + "..."


def ink(colour: str) -> str:
    """Black or white, whichever reads better on ``#rrggbb`` (WCAG 2.2, relative luminance)."""
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return "#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > _DARK_TEXT_FROM else "#ffffff"


def _counted(count: int, unit: str, locale: Locale) -> str:
    return _plain(format_unit(count, f"duration-{unit}", "long", locale=locale))


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= _LINEAR_BELOW else float(((channel + 0.055) / 1.055) ** 2.4)


def _joined(date: str, local: dt.datetime, locale: Locale) -> str:
    time = format_time(local, "short", locale=locale)
    pattern = str(get_datetime_format("medium", locale=locale))
    whole = pattern.replace("'", "").replace("{1}", date).replace("{0}", time)
    return _plain(f"{whole} {_zone_name(local, locale)}")


def _zone_name(local: dt.datetime, locale: Locale) -> str:
    name = get_timezone_name(local, width="short", locale=locale)
    is_name = name.isalpha() and len(name) <= _LONGEST_ZONE_NAME
    return name if is_name else get_timezone_gmt(local, width="long", locale=locale)


def _plain(text: str) -> str:
    return text.translate(_SPACES)
