"""Turns a notification into words: Jinja templates, the recipient's language, calendar and time zone."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import css_inline
import jinja2
from babel import Locale

from services.notifier.adapters import formats
from services.notifier.domain.message import RenderedEmail, Summary
from services.notifier.domain.sms_text import to_gsm7
from shared.contracts.notifications import PARAMS, Notice, Notification

TEMPLATES: Final = Path(__file__).parent.parent / "templates"
FALLBACK: Final = "en"
_RTL_LANGUAGES: Final = frozenset({"ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})
_BLANK_LINES: Final = re.compile(r"\n{3,}")


class Renderer:
    """Renders every notification in every language that has a folder; templates are read once and kept.

    One renderer serves all tasks of a process: rendering awaits nothing and changes nothing but the template cache.
    """

    def __init__(self, folder: Path = TEMPLATES) -> None:
        self.languages = frozenset(each.name for each in folder.iterdir() if (each / "frame.html").is_file())
        self._environment = jinja2.Environment(
            loader=_Templates(folder),
            autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default=False),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        self._environment.filters.update(
            datetime=formats.datetime_filter,
            short_datetime=formats.short_datetime_filter,
            duration=formats.duration_filter,
            brief=formats.brief,
            ink=formats.ink,
            minutes=formats.minutes_filter,
            hours=formats.hours_filter,
            days=formats.days_filter,
        )

    def render_email(
        self, notification: Notification, language: str, params: Notice, *, time_zone: str = "UTC"
    ) -> RenderedEmail:
        """Subject, text and HTML.

        `language` is a BCP 47 tag (``de``, ``de-AT``, ``pt_BR``); one without templates falls back to English.
        `time_zone` is an IANA name; an unknown one falls back to UTC, which the text names.
        Raises `TypeError` when `params` are not this notification's.
        """
        render = self._parts(notification, language, params, time_zone)
        return RenderedEmail(
            subject=" ".join(render("email.subject.txt").split()),
            text=_BLANK_LINES.sub("\n\n", render("email.txt")).strip() + "\n",
            html=render("email.html"),
        )

    def render_sms(self, notification: Notification, language: str, params: Notice, *, time_zone: str = "UTC") -> str:
        """The text of the SMS, in the GSM 7-bit alphabet wherever its letters allow. Arguments as in `render_email`."""
        return to_gsm7(self._parts(notification, language, params, time_zone)("sms.txt").strip())

    def render_summary(
        self, notification: Notification, language: str, params: Notice, *, time_zone: str = "UTC"
    ) -> Summary:
        """What it was about and when, for a page. Arguments as in `render_email`."""
        locale, _ = self._locale(language)
        subject = self._parts(notification, language, params, time_zone)("email.subject.txt")
        at = params.happened_at
        return Summary(
            subject=" ".join(subject.split()),
            happened_at=formats.moment(at, zone=formats.zone(time_zone), locale=locale) if at is not None else None,
            language=locale.language,
        )

    def _parts(self, notification: Notification, language: str, params: Notice, time_zone: str) -> Callable[[str], str]:
        if type(params) is not PARAMS[notification]:
            raise TypeError(f"{notification} takes {PARAMS[notification].__name__}")
        locale, folder = self._locale(language)
        context: dict[str, object] = {
            **dict(params),
            "language": str(locale).replace("_", "-"),
            "direction": "rtl" if locale.language in _RTL_LANGUAGES else "ltr",
            "locale": locale,
            "zone": formats.zone(time_zone),
        }
        return lambda part: self._environment.get_template(f"{folder}/{notification}/{part}").render(context)

    def _locale(self, language: str) -> tuple[Locale, str]:
        """The locale for numbers and dates, and the folder of the words; always of one language."""
        locale = formats.locale(language)
        if locale is not None and locale.language in self.languages:
            return locale, locale.language
        return Locale(FALLBACK), FALLBACK


class _Templates(jinja2.FileSystemLoader):
    """Reads templates; the HTML ones get the stylesheet written into their elements, once, when first read.

    Mail clients drop ``<style>``; inlining the template instead of each mail keeps the work out of the sending path.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._css = (folder / "mail.css").read_text(encoding="utf-8")

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, filename, is_current = super().get_source(environment, template)
        if template.endswith(".html"):
            source = self._inline(source)
        return source, filename, is_current

    def _inline(self, source: str) -> str:
        if source.startswith("<!doctype html>"):
            inlined = css_inline.inline(source, extra_css=self._css, load_remote_stylesheets=False)
        else:
            inlined = css_inline.inline_fragment(source, self._css, load_remote_stylesheets=False)
        return inlined.replace("TENANT_COLOUR", "{{ tenant_colour }}").replace("TENANT_INK", "{{ tenant_colour|ink }}")
