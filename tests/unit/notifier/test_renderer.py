"""How the renderer chooses words, dates and colours for one reader."""

import datetime as dt
import shutil
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from pydantic import ValidationError

from services.notifier.adapters.formats import brief, ink, moment, span, zone
from services.notifier.adapters.renderer import TEMPLATES, Renderer
from shared.contracts.notifications import Code, EnforcementStarted, Notice, Notification, Unlocked
from shared.contracts.types import Purpose

AT = dt.datetime(2026, 3, 4, 16, 6, 9, tzinfo=dt.UTC)
STARTED = EnforcementStarted(tenant_name="Desk", deadline=AT, days=7)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    """One for all tests: it keeps its templates."""
    return Renderer()


@pytest.mark.parametrize("language", ["en", "en-GB", "fr", "xx", "", "../de", "zh-Hant-TW"])
def test_a_language_without_words_is_english(renderer: Renderer, language: str) -> None:
    """A notice in the wrong language still warns; a notice that failed warns nobody."""
    mail = renderer.render_email(Notification.UNLOCKED, language, Unlocked(tenant_name="Desk"))

    assert mail.subject == "You can sign in to Desk again"


@pytest.mark.parametrize("language", ["de", "de-AT", "de_CH", "DE"])
def test_a_region_takes_its_languages_words(renderer: Renderer, language: str) -> None:
    """Accounts carry the locale of a browser, with a region."""
    mail = renderer.render_email(Notification.UNLOCKED, language, Unlocked(tenant_name="Desk"))

    assert mail.subject == "Sie können sich wieder bei Desk anmelden"


@pytest.mark.parametrize(
    ("language", "time_zone", "expected"),
    [
        ("en", "UTC", "Wednesday, March 4, 2026, 4:06 PM UTC (7 days from now)"),
        ("en-GB", "Europe/Berlin", "Wednesday, 4 March 2026, 17:06 CET (7 days from now)"),
        ("de", "Europe/Berlin", "Mittwoch, 4. März 2026, 17:06 MEZ ein (noch 7 Tage)"),
        ("en", "America/New_York", "Wednesday, March 4, 2026, 11:06 AM EST (7 days from now)"),
        ("fr", "UTC", "Wednesday, March 4, 2026, 4:06 PM UTC (7 days from now)"),
        ("en", "Nowhere/Land", "Wednesday, March 4, 2026, 4:06 PM UTC (7 days from now)"),
        ("en", "/etc/passwd", "Wednesday, March 4, 2026, 4:06 PM UTC (7 days from now)"),
    ],
)
def test_a_deadline_is_in_the_readers_calendar_and_zone(
    renderer: Renderer, language: str, time_zone: str, expected: str
) -> None:
    """Who reads the deadline in another zone than it was written in is locked out by surprise."""
    assert (
        expected in renderer.render_email(Notification.ENFORCEMENT_STARTED, language, STARTED, time_zone=time_zone).text
    )


def test_a_zone_without_a_short_name_shows_its_offset() -> None:
    """A time without a zone is a guess."""
    assert moment(AT, zone=zone("Asia/Kathmandu"), locale=Locale("en")).endswith("9:51 PM GMT+05:45")


@pytest.mark.parametrize(
    ("duration", "english", "german"),
    [
        (dt.timedelta(seconds=0), "0 minutes", "0 Minuten"),
        (dt.timedelta(minutes=1), "1 minute", "1 Minute"),
        (dt.timedelta(minutes=59, seconds=10), "59 minutes", "59 Minuten"),
        (dt.timedelta(minutes=59, seconds=50), "1 hour", "1 Stunde"),
        (dt.timedelta(hours=23, minutes=59, seconds=50), "24 hours", "24 Stunden"),
        (dt.timedelta(hours=36), "36 hours", "36 Stunden"),
        (dt.timedelta(days=3, hours=23, minutes=59, seconds=55), "4 days", "4 Tage"),
        (dt.timedelta(seconds=-5), "0 minutes", "0 Minuten"),
    ],
)
def test_a_duration_is_said_as_a_person_would(duration: dt.timedelta, english: str, german: str) -> None:
    """The timer fires seconds late: "3 days left" on the fourth day would be read as a broken promise."""
    assert span(duration, locale=Locale("en")) == english
    assert span(duration, locale=Locale("de")) == german


def test_names_are_escaped_in_html_and_only_there(renderer: Renderer) -> None:
    """A tenant's name is the tenant's input: in HTML it could be a link, in text it is what it is."""
    name = "<a href=//evil.example>Desk</a> & Co"
    mail = renderer.render_email(Notification.UNLOCKED, "en", Unlocked(tenant_name=name))

    assert name in mail.text
    assert name in mail.subject
    assert "evil.example>" not in mail.html
    assert "&lt;a href=//evil.example&gt;Desk&lt;/a&gt; &amp; Co" in mail.html


@pytest.mark.parametrize(
    "fields",
    [
        {"tenant_name": "Desk\r\nBcc: everybody@example.test"},
        {"tenant_name": ""},
        {"tenant_name": "Desk", "tenant_colour": "red;background:url(//evil.example)"},
        {"tenant_name": "Desk", "not_me_url": "javascript:alert(1)"},
        {"tenant_name": "Desk", "happened_at": dt.datetime(2026, 3, 4)},  # noqa: DTZ001
        {"tenant_name": "Desk", "account_name": "unasked"},
    ],
)
def test_parameters_that_could_break_a_mail_are_refused(fields: dict[str, object]) -> None:
    """Headers, styles and links are where a name becomes an instruction; the refusal shows none of the input."""
    with pytest.raises(ValidationError) as refusal:
        Notice.model_validate(fields)

    assert "evil" not in str(refusal.value)
    assert "Bcc" not in str(refusal.value)


def test_another_notifications_parameters_are_a_bug(renderer: Renderer) -> None:
    """Half of a text is worse than a loud failure in a test."""
    with pytest.raises(TypeError, match="recovery_waiting"):
        renderer.render_email(Notification.RECOVERY_WAITING, "en", Unlocked(tenant_name="Desk"))


@pytest.mark.parametrize(
    ("colour", "expected"),
    [("#000000", "#ffffff"), ("#ffffff", "#000000"), ("#ffcc00", "#000000"), ("#1f4e79", "#ffffff")],
)
def test_text_can_be_read_on_the_tenants_colour(renderer: Renderer, colour: str, expected: str) -> None:
    """White on yellow cannot be read, and the tenant chooses the yellow."""
    assert ink(colour) == expected
    mail = renderer.render_email(Notification.UNLOCKED, "en", Unlocked(tenant_name="Desk", tenant_colour=colour))
    assert f"background-color: {colour};color: {expected}" in mail.html


def test_styles_are_in_the_elements(renderer: Renderer) -> None:
    """Many mail programs drop style sheets; what is left must still look like a mail."""
    mail = renderer.render_email(Notification.UNLOCKED, "en", Unlocked(tenant_name="Desk"))

    assert mail.html.startswith("<!DOCTYPE html>")
    assert '<p style="margin: 0 0 1em;">' in mail.html


def test_a_language_is_added_by_a_folder(tmp_path: Path) -> None:
    """Arabic, say: no code changes, and the page runs from right to left while the code does not."""
    shutil.copytree(TEMPLATES, tmp_path, dirs_exist_ok=True)
    shutil.copytree(TEMPLATES / "en", tmp_path / "ar")
    code = Code(tenant_name="Desk", code="042042", minutes=10, domain="desk.example", purpose=Purpose.SIGN_IN)

    mail = Renderer(tmp_path).render_email(Notification.CODE, "ar-EG", code)

    assert '<html lang="ar-EG" dir="rtl">' in mail.html or '<html dir="rtl" lang="ar-EG">' in mail.html
    assert '<p class="code" dir="ltr"' in mail.html


def test_a_code_is_not_printed_with_its_mail(renderer: Renderer) -> None:
    """A rendered mail may end up in a traceback or a log line."""
    code = Code(tenant_name="Desk", code="042042", minutes=10, domain="desk.example", purpose=Purpose.SIGN_IN)

    assert "042042" not in repr(renderer.render_email(Notification.CODE, "en", code))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Desk", "Desk"), ("A" * 24, "A" * 24), ("Grüße und Töchter seit 1912", "Grüße und Töchter sei...")],
)
def test_a_long_name_is_cut_in_an_sms(name: str, expected: str) -> None:
    """Its owner pays for every further segment."""
    assert brief(name) == expected
    assert len(brief(name)) <= 24


def test_this_machine_knows_time_zones() -> None:
    """Without time zone data every reader would silently get UTC."""
    assert zone("Europe/Berlin") == ZoneInfo("Europe/Berlin")
