"""Every text, in every language, with every set of parameters that its model allows."""

import datetime as dt
from collections.abc import Mapping
from html.parser import HTMLParser

import jinja2
import jinja2.meta
import pytest

from services.notifier.adapters.renderer import TEMPLATES, Renderer
from services.notifier.domain.sms_text import segments
from shared.contracts.notifications import PARAMS, WITHOUT_DISPUTE, Notice, Notification, RecoveryCancelled, RecoveryEnd
from shared.contracts.types import FactorType, Purpose

LANGUAGES = ("de", "en")
PARTS = {"email.subject.txt", "email.txt", "email.html", "sms.txt"}
ALWAYS_GIVEN = {"language", "direction"}
AT = dt.datetime(2026, 3, 4, 16, 6, tzinfo=dt.UTC)

REQUIRED: Mapping[str, object] = {
    "tenant_name": "Grüße & Töchter",
    "code": "042042",
    "minutes": 10,
    "domain": "helpdesk.example",
    "purpose": Purpose.SIGN_IN,
    "happens_at": AT,
    "hours": 24,
    "cancel_url": "https://helpdesk.example/r/abcdefghij",
    "deadline": AT,
    "days": 7,
    "left": dt.timedelta(days=4),
    "expires_at": AT,
    "downloads": 3,
    "download_url": "https://helpdesk.example/r/abcdefghij",
    "account": "agent-4711.support~east",
    "disputed": "factor_added",
    "mailbox": "a•••@helpdesk.example",
    "recovery": "01990000-0000-7000-8000-0000000000e1",
}
OPTIONAL: Mapping[str, object] = {
    "tenant_colour": "#ffcc00",
    "happened_at": AT,
    "not_me_url": "https://helpdesk.example/n/abcdefghij?a=1&b=2",
    "factor_type": FactorType.TOTP,
    "factor_name": "My <phone>",
    "left": 3,
    "device_name": "Firefox on Linux",
    "trusted_until": AT,
    "attempts": 6,
    "has_key": True,
    "deadline": AT,
    "exempt_until": AT,
    "cause": RecoveryEnd.ATTACK,
    "may_enrol": True,
    "until": AT,
    "admin": "admin-4711.support~east",
}

every_text = pytest.mark.parametrize("notification", list(Notification))
in_every_language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    """One for all tests: it keeps its templates."""
    return Renderer()


def params(notification: Notification, *, with_optional: bool) -> Notice:
    """What ``notification`` must be given, or all that it may be given."""
    model = PARAMS[notification]
    given = {
        name: REQUIRED[name] if field.is_required() else OPTIONAL[name]
        for name, field in model.model_fields.items()
        if field.is_required() or with_optional
    }
    return model.model_validate(given)


def test_every_language_has_every_part_of_every_text(renderer: Renderer) -> None:
    """A missing file would show at two in the morning, as a notice that was not sent."""
    assert renderer.languages == set(LANGUAGES)
    for language in LANGUAGES:
        folders = {each.name: {part.name for part in each.iterdir()} for each in (TEMPLATES / language).glob("*/")}
        assert folders == {str(notification): PARTS for notification in Notification}


@in_every_language
@pytest.mark.parametrize("cause", list(RecoveryEnd))
def test_a_recovery_that_ended_says_by_what(renderer: Renderer, cause: RecoveryEnd, language: str) -> None:
    """To ask again is no advice where nobody may for a day, and whoever did not sign in must hear that somebody did."""
    given = RecoveryCancelled(tenant_name="Acme", happened_at=AT, cause=cause)
    every = {
        each: renderer.render_email(Notification.RECOVERY_CANCELLED, language, given.model_copy(update={"cause": each}))
        for each in RecoveryEnd
    }
    assert [each for each in every if every[each].text == every[cause].text] == [cause]
    again = {"en": "ask again", "de": "bei der nächsten Anmeldung"}[language]
    assert (again in every[cause].text) is (cause is RecoveryEnd.STOPPED)


@in_every_language
@every_text
def test_a_text_uses_declared_parameters_only(notification: Notification, language: str) -> None:
    """Whoever sends a notification reads its model, not its templates."""
    environment = jinja2.Environment(autoescape=True)
    environment.filters.update(dict.fromkeys(Renderer()._environment.filters, str))
    declared = set(PARAMS[notification].model_fields) | ALWAYS_GIVEN
    shared = [TEMPLATES / "layout.html", TEMPLATES / language / "frame.html", TEMPLATES / language / "frame.txt"]
    for path in [*shared, *(TEMPLATES / language / notification).iterdir()]:
        used = jinja2.meta.find_undeclared_variables(environment.parse(path.read_text(encoding="utf-8")))
        assert used <= declared, path


@pytest.mark.parametrize("with_optional", [False, True])
@in_every_language
@every_text
def test_every_text_renders(renderer: Renderer, notification: Notification, language: str, with_optional: bool) -> None:  # noqa: FBT001
    """With what must be given and with all that may be given, no text breaks or shows its seams."""
    given = params(notification, with_optional=with_optional)

    mail = renderer.render_email(notification, language, given)
    sms = renderer.render_sms(notification, language, given)

    for text in (mail.subject, mail.text, mail.html, sms):
        assert given.tenant_name in text or "Grüße &amp; Töchter" in text
        assert not any(seam in text for seam in ("{{", "{%", "TENANT_", "None", "  \n"))
    assert "\n" not in mail.subject
    assert len(mail.subject) <= 100
    assert "\n\n\n" not in mail.text
    not_me = str(OPTIONAL["not_me_url"])
    assert (not_me in mail.text) is with_optional
    assert (not_me.replace("&", "&amp;") in mail.html) is with_optional


@pytest.mark.parametrize("happened_at", [None, AT])
@in_every_language
@every_text
def test_what_happened_when_is_a_paragraph_of_its_own(
    renderer: Renderer, notification: Notification, language: str, happened_at: dt.datetime | None
) -> None:
    """Run into the sentence before it, the time of a theft is overlooked."""
    given = params(notification, with_optional=False).model_copy(update={"happened_at": happened_at})
    said = renderer.render_email(notification, language, given).text
    marks = [mark for mark in ("\nWhen: ", "\nZeitpunkt: ") if mark in said]
    assert bool(marks) is (happened_at is not None)
    assert all(f"\n{mark}" in said for mark in marks)


@in_every_language
@every_text
def test_html_is_plain_and_readable_by_machines(renderer: Renderer, notification: Notification, language: str) -> None:
    """Screen readers need language and direction; images and scripts would be blocked, or would track."""
    mail = renderer.render_email(notification, language, params(notification, with_optional=True))

    page = Outline()
    page.feed(mail.html)
    assert not page.tags & {"img", "script", "link", "iframe", "form"}
    assert page.attributes["html"] == {"lang": language, "dir": "ltr"}
    assert page.open == []
    assert "prefers-color-scheme: dark" in mail.html
    assert "042042" not in page.title


@in_every_language
@every_text
def test_an_sms_is_one_segment(renderer: Renderer, notification: Notification, language: str) -> None:
    """Each further segment is another charge, and a part that may come late."""
    given = params(notification, with_optional=False).model_copy(
        update={"tenant_name": "Grüße & Töchter, seit 1912 KG"}
    )

    assert segments(renderer.render_sms(notification, language, given)) == 1


@pytest.mark.parametrize("purpose", list(Purpose))
@in_every_language
def test_a_code_is_found_at_once(renderer: Renderer, language: str, purpose: Purpose) -> None:
    """First in the subject for the eye, last in the SMS for the phone, which fills it in on the right site only."""
    given = params(Notification.CODE, with_optional=False).model_copy(update={"purpose": purpose})

    mail = renderer.render_email(Notification.CODE, language, given)
    sms = renderer.render_sms(Notification.CODE, language, given)

    assert mail.subject.startswith("042042 ")
    assert "042042" in mail.text
    assert "042042" in mail.html
    assert sms.splitlines()[-1] == "@helpdesk.example #042042"
    assert segments(sms) == 1


@in_every_language
def test_admins_are_told_what_was_disputed(renderer: Renderer, language: str) -> None:
    """A mail that says "something happened" sends an admin looking for hours."""
    given = params(Notification.DISPUTE_FOR_ADMINS, with_optional=False)
    security = [each.value for each in Notification if each not in WITHOUT_DISPUTE]

    texts = {
        disputed: renderer.render_email(
            Notification.DISPUTE_FOR_ADMINS, language, given.model_copy(update={"disputed": disputed})
        ).text
        for disputed in (*security, "something_newer")
    }

    assert len(set(texts.values())) == len(texts)


@every_text
def test_parameters_do_not_print_codes_or_links(notification: Notification) -> None:
    """A log line with a cancel link is a way to cancel, one with a code is a way in."""
    printed = repr(params(notification, with_optional=True))

    assert "042042" not in printed
    assert "abcdefghij" not in printed


class Outline(HTMLParser):
    """The elements of a page, and whether each that was opened was closed."""

    _VOID = frozenset({"meta", "br", "hr", "img", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.open: list[str] = []
        self.title = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes[tag] = dict(attrs)
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "title":
            self.title += data
