"""What the pages say after a button, or instead of one: a title and paragraphs, in every language."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


class Message(enum.Enum):
    """One page's worth of words; the value is its HTTP status and a name."""

    RECOVERY_LINK_INVALID = (404, "recovery_link_invalid")
    RECOVERY_STOPPED = (200, "recovery_stopped")
    ATTACK_STOPPED = (200, "attack_stopped")
    RECOVERY_OVER = (409, "recovery_over")
    REPORT_EXPIRED = (410, "report_expired")
    REPORT_USED_UP = (410, "report_used_up")
    LINK_INVALID = (404, "link_invalid")
    NOTICE_LINK_EXPIRED = (410, "notice_link_expired")
    NOTICE_DISPUTED = (200, "notice_disputed")
    NOT_DONE = (503, "not_done")
    NOT_NOW = (503, "not_now")
    PROMPT_LINK_OVER = (410, "prompt_link_over")
    PROMPT_OVER = (410, "prompt_over")
    FORM_REFUSED = (403, "form_refused")
    CHALLENGE_EXPIRED = (410, "challenge_expired")
    CHALLENGE_EXHAUSTED = (410, "challenge_exhausted")
    CHALLENGE_OVER = (410, "challenge_over")

    @property
    def status(self) -> int:
        """Of the answer."""
        return self.value[0]


@dataclass(frozen=True, slots=True)
class Words:
    """A message in one language."""

    title: str
    texts: tuple[str, ...]


_ENGLISH = {
    Message.RECOVERY_LINK_INVALID: Words(
        "This link is not valid",
        ("This link is not valid, or not any more. If you did not ask for a recovery, tell your helpdesk.",),
    ),
    Message.RECOVERY_STOPPED: Words(
        "The recovery was stopped",
        ("Two-factor sign-in stays as it is. Everybody who was told of the recovery is told of this.",),
    ),
    Message.ATTACK_STOPPED: Words(
        "The recovery was stopped",
        (
            "Two-factor sign-in stays as it is. Everybody who was told of the recovery is told of this.",
            (
                "Whoever asked knows how to get past your password or into your mailbox. "
                "Change your password at the helpdesk now."
            ),
        ),
    ),
    Message.RECOVERY_OVER: Words(
        "The recovery is over",
        ("It was stopped before, was carried out or has expired. If in doubt, ask your helpdesk.",),
    ),
    Message.REPORT_EXPIRED: Words(
        "The report has expired",
        ("A report can be downloaded for 24 hours. Ask your helpdesk for a new one.",),
    ),
    Message.REPORT_USED_UP: Words(
        "The link is used up",
        ("The link worked three times. If it was not you each time, tell your helpdesk.",),
    ),
    Message.LINK_INVALID: Words("This link is not valid", ("This link is not valid, or not any more.",)),
    Message.NOTICE_LINK_EXPIRED: Words(
        "The link has expired",
        ("It was good for 30 days. If it was not you, tell your helpdesk.",),
    ),
    Message.NOTICE_DISPUTED: Words(
        "Thank you, we know now",
        (
            (
                "Trusted devices are asked for a code again, the helpdesk is asked to end your sessions, "
                "and its admins are told."
            ),
            ("Change your password at the helpdesk now, and look at your second factors: remove what is not yours."),
        ),
    ),
    Message.NOT_DONE: Words(
        "Not done yet",
        ("We could not do it right now. Go back and press the button again in a minute.",),
    ),
    Message.NOT_NOW: Words("Not right now", ("We could not look it up. Open the link again in a minute.",)),
    Message.PROMPT_LINK_OVER: Words(
        "This link was used already, or is too old",
        ("It opens one page in one browser, within ten minutes. Go back, and sign in again.",),
    ),
    Message.PROMPT_OVER: Words(
        "This page is over",
        ("It was open for too long, or in another browser. Go back to your helpdesk, and sign in again.",),
    ),
    Message.FORM_REFUSED: Words(
        "This form is not ours",
        ("It was sent from another page, or from an old one. Nothing was done. Open the page again.",),
    ),
    Message.CHALLENGE_EXPIRED: Words(
        "The time is over", ("A sign-in waits ten minutes for its code. Go back, and sign in again.",)
    ),
    Message.CHALLENGE_EXHAUSTED: Words(
        "Too many wrong codes",
        ("This sign-in is closed. Go back, and sign in again. If it was not you who typed, change your password.",),
    ),
    Message.CHALLENGE_OVER: Words(
        "This sign-in is over", ("It was finished or given up before. Go back to your helpdesk.",)
    ),
}

_GERMAN = {
    Message.RECOVERY_LINK_INVALID: Words(
        "Dieser Link ist nicht gültig",
        ("Dieser Link gilt nicht oder nicht mehr. Haben Sie nichts beantragt, sagen Sie es Ihrem Helpdesk.",),
    ),
    Message.RECOVERY_STOPPED: Words(
        "Die Wiederherstellung ist gestoppt",
        ("Die Zwei-Faktor-Anmeldung bleibt, wie sie ist. Wer vom Antrag erfahren hat, erfährt auch das.",),
    ),
    Message.ATTACK_STOPPED: Words(
        "Die Wiederherstellung ist gestoppt",
        (
            "Die Zwei-Faktor-Anmeldung bleibt, wie sie ist. Wer vom Antrag erfahren hat, erfährt auch das.",
            (
                "Wer gefragt hat, kommt an Ihrem Passwort vorbei oder in Ihr Postfach. "
                "Ändern Sie jetzt Ihr Passwort beim Helpdesk."
            ),
        ),
    ),
    Message.RECOVERY_OVER: Words(
        "Die Wiederherstellung ist vorbei",
        ("Sie wurde schon gestoppt, ausgeführt oder ist abgelaufen. Fragen Sie im Zweifel Ihren Helpdesk.",),
    ),
    Message.REPORT_EXPIRED: Words(
        "Der Bericht ist abgelaufen",
        ("Ein Bericht lässt sich 24 Stunden lang herunterladen. Bitten Sie Ihren Helpdesk um einen neuen.",),
    ),
    Message.REPORT_USED_UP: Words(
        "Der Link ist verbraucht",
        ("Er ging dreimal. Waren Sie es nicht jedes Mal selbst, sagen Sie es Ihrem Helpdesk.",),
    ),
    Message.LINK_INVALID: Words("Dieser Link ist nicht gültig", ("Dieser Link gilt nicht oder nicht mehr.",)),
    Message.NOTICE_LINK_EXPIRED: Words(
        "Der Link ist abgelaufen",
        ("Er galt 30 Tage. Waren Sie es nicht, sagen Sie es Ihrem Helpdesk.",),
    ),
    Message.NOTICE_DISPUTED: Words(
        "Danke, jetzt wissen wir es",
        (
            (
                "Vertraute Geräte werden wieder nach einem Code gefragt, der Helpdesk wird gebeten, Ihre Sitzungen zu "
                "beenden, und seine Administratoren erfahren davon."
            ),
            (
                "Ändern Sie jetzt Ihr Passwort beim Helpdesk, und sehen Sie Ihre zweiten Faktoren durch: "
                "Entfernen Sie, was nicht Ihnen gehört."
            ),
        ),
    ),
    Message.NOT_DONE: Words(
        "Noch nicht erledigt",
        ("Das ging gerade nicht. Gehen Sie zurück, und drücken Sie den Knopf in einer Minute noch einmal.",),
    ),
    Message.NOT_NOW: Words(
        "Gerade nicht",
        ("Wir konnten nicht nachsehen. Öffnen Sie den Link in einer Minute noch einmal.",),
    ),
    Message.PROMPT_LINK_OVER: Words(
        "Dieser Link wurde schon benutzt oder ist zu alt",
        (
            (
                "Er öffnet eine Seite in einem Browser, zehn Minuten lang. Gehen Sie zurück, und melden Sie sich noch "
                "einmal an."
            ),
        ),
    ),
    Message.PROMPT_OVER: Words(
        "Diese Seite ist vorbei",
        (
            (
                "Sie war zu lange offen oder in einem anderen Browser. Gehen Sie zurück zu Ihrem Helpdesk, und melden "
                "Sie sich noch einmal an."
            ),
        ),
    ),
    Message.FORM_REFUSED: Words(
        "Dieses Formular ist nicht von uns",
        ("Es kam von einer anderen oder einer alten Seite. Nichts ist geschehen. Öffnen Sie die Seite neu.",),
    ),
    Message.CHALLENGE_EXPIRED: Words(
        "Die Zeit ist um",
        ("Eine Anmeldung wartet zehn Minuten auf ihren Code. Gehen Sie zurück, und melden Sie sich noch einmal an.",),
    ),
    Message.CHALLENGE_EXHAUSTED: Words(
        "Zu viele falsche Codes",
        (
            (
                "Diese Anmeldung ist geschlossen. Gehen Sie zurück, und melden Sie sich noch einmal an. Haben nicht "
                "Sie getippt, ändern Sie Ihr Passwort."
            ),
        ),
    ),
    Message.CHALLENGE_OVER: Words(
        "Diese Anmeldung ist vorbei",
        ("Sie wurde schon beendet oder abgebrochen. Gehen Sie zurück zu Ihrem Helpdesk.",),
    ),
}

MESSAGES: Mapping[str, Mapping[Message, Words]] = MappingProxyType({"en": _ENGLISH, "de": _GERMAN})
"""By language."""

BACK: Mapping[str, str] = MappingProxyType({"en": "Back to the helpdesk", "de": "Zurück zum Helpdesk"})
"""The link under a message, where one leads on."""
