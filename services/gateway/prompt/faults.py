"""Why a code was not taken, in words, with the time to wait."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared.contracts.replies import Refusal, RefusalCode

_MINUTE = 60  # seconds
_HOUR = 60 * _MINUTE
_IN_SECONDS = 2 * _MINUTE  # shorter waits are told in seconds

NOTHING_TYPED: Final[Mapping[str, str]] = MappingProxyType(
    {"en": "Type the code first.", "de": "Geben Sie zuerst den Code ein."}
)

FAULTS: Final[Mapping[str, Mapping[RefusalCode, str]]] = MappingProxyType(
    {
        "en": {
            RefusalCode.CODE_WRONG: "This code is not right. {tries}",
            RefusalCode.CODE_MALFORMED: "This is no code. Type it as it is shown; spaces and dashes do not matter.",
            RefusalCode.CODE_ALREADY_USED: "This code was used already. Wait for the next one, or ask for another.",
            RefusalCode.CLOCK_OFF: (
                "This code is of another time: the clock of your device is off by {minutes}. Set it, and type the next "
                "code. {tries}"
            ),
            RefusalCode.THROTTLED: "Too many wrong codes. Wait {wait}, then try again.",
            RefusalCode.TOO_SOON: "A code was sent a moment ago. Another one can be sent in {wait}.",
            RefusalCode.TOO_MANY_SENDS: "No more codes are sent for now. Use one that you have, or another way.",
            RefusalCode.FACTOR_NOT_OFFERED: "This way is not open any more. Choose another one.",
            RefusalCode.NO_BACKUP_CODES: "This account has no backup codes.",
            RefusalCode.NO_RECOVERY_KEY: "This account has no recovery key.",
            RefusalCode.ACCOUNT_INACTIVE: "This account is closed. Ask your helpdesk.",
            RefusalCode.METHOD_NOT_ALLOWED: "Your helpdesk does not allow this any more. Choose another.",
            RefusalCode.EMAIL_NOT_VERIFIED: (
                "This address was not verified yet. Choose another way, or ask your helpdesk."
            ),
            RefusalCode.NO_MAILBOX: "There is no address of yours that this could be sent to. Ask your helpdesk.",
            RefusalCode.PROOF_REQUIRED: (
                "Too much time has passed, or something has changed. Go back, and sign in again."
            ),
            RefusalCode.TOO_MANY_FACTORS: "There are as many second factors as there can be. Remove one first.",
            RefusalCode.FACTOR_NOT_PENDING: "This was finished, or begun again elsewhere. Begin again here.",
            RefusalCode.CODES_UNSAVED: "Save the codes first, and say so below.",
            RefusalCode.CHALLENGE_EXPIRED: "The time is over. Begin again.",
            RefusalCode.CHALLENGE_EXHAUSTED: "Too many wrong codes. Begin again.",
            RefusalCode.ALREADY_ANSWERED: "What was shown is shown no more. Begin again.",
        },
        "de": {
            RefusalCode.CODE_WRONG: "Dieser Code stimmt nicht. {tries}",
            RefusalCode.CODE_MALFORMED: (
                "Das ist kein Code. Geben Sie ihn ein, wie er gezeigt wird; Leerzeichen und Striche sind egal."
            ),
            RefusalCode.CODE_ALREADY_USED: (
                "Dieser Code wurde schon benutzt. Warten Sie auf den nächsten, oder fordern Sie einen neuen an."
            ),
            RefusalCode.CLOCK_OFF: (
                "Dieser Code gehört zu einer anderen Zeit: Die Uhr Ihres Geräts geht um {minutes} falsch. Stellen Sie "
                "sie, und geben Sie den nächsten Code ein. {tries}"
            ),
            RefusalCode.THROTTLED: "Zu viele falsche Codes. Warten Sie {wait}, und versuchen Sie es dann wieder.",
            RefusalCode.TOO_SOON: "Gerade wurde ein Code gesendet. Der nächste geht in {wait}.",
            RefusalCode.TOO_MANY_SENDS: (
                "Vorerst werden keine Codes mehr gesendet. Nehmen Sie einen, den Sie haben, oder einen anderen Weg."
            ),
            RefusalCode.FACTOR_NOT_OFFERED: "Dieser Weg ist nicht mehr offen. Wählen Sie einen anderen.",
            RefusalCode.NO_BACKUP_CODES: "Dieses Konto hat keine Backup-Codes.",
            RefusalCode.NO_RECOVERY_KEY: "Dieses Konto hat keinen Wiederherstellungsschlüssel.",
            RefusalCode.ACCOUNT_INACTIVE: "Dieses Konto ist geschlossen. Fragen Sie Ihren Helpdesk.",
            RefusalCode.METHOD_NOT_ALLOWED: "Ihr Helpdesk erlaubt das nicht mehr. Wählen Sie etwas anderes.",
            RefusalCode.EMAIL_NOT_VERIFIED: (
                "Diese Adresse ist noch nicht bestätigt. Wählen Sie einen anderen Weg, oder fragen Sie Ihren Helpdesk."
            ),
            RefusalCode.NO_MAILBOX: "Von Ihnen ist keine Adresse dafür bekannt. Fragen Sie Ihren Helpdesk.",
            RefusalCode.PROOF_REQUIRED: (
                "Es ist zu viel Zeit vergangen, oder etwas hat sich geändert. Gehen Sie zurück, und melden Sie sich "
                "noch einmal an."
            ),
            RefusalCode.TOO_MANY_FACTORS: "Mehr zweite Faktoren gehen nicht. Entfernen Sie zuerst einen.",
            RefusalCode.FACTOR_NOT_PENDING: (
                "Das wurde beendet oder anderswo neu begonnen. Beginnen Sie hier noch einmal."
            ),
            RefusalCode.CODES_UNSAVED: "Speichern Sie zuerst die Codes, und bestätigen Sie es unten.",
            RefusalCode.CHALLENGE_EXPIRED: "Die Zeit ist um. Beginnen Sie noch einmal.",
            RefusalCode.CHALLENGE_EXHAUSTED: "Zu viele falsche Codes. Beginnen Sie noch einmal.",
            RefusalCode.ALREADY_ANSWERED: "Was gezeigt wurde, wird nicht mehr gezeigt. Beginnen Sie noch einmal.",
        },
    }
)
"""By language; every one has all of them."""

RECOVERY_FAULTS: Final[Mapping[str, Mapping[RefusalCode, str]]] = MappingProxyType(
    {
        "en": {
            RefusalCode.RECOVERY_NOT_OFFERED: (
                "This is not offered for your account. Use another way to sign in, or ask your helpdesk."
            ),
            RefusalCode.TOO_MANY_RECOVERIES: "This was asked for too often. Ask your helpdesk.",
            RefusalCode.TOO_SOON: ("Of the last time it was said: this was not me. Wait {wait}, or ask your helpdesk."),
            RefusalCode.NO_MAILBOX: "No address of yours is known well enough to send a code to. Ask your helpdesk.",
        },
        "de": {
            RefusalCode.RECOVERY_NOT_OFFERED: (
                "Das geht für Ihr Konto nicht. Nehmen Sie einen anderen Weg, oder fragen Sie Ihren Helpdesk."
            ),
            RefusalCode.TOO_MANY_RECOVERIES: "Das wurde zu oft verlangt. Fragen Sie Ihren Helpdesk.",
            RefusalCode.TOO_SOON: (
                "Vom letzten Mal hieß es: Das war ich nicht. Warten Sie {wait}, oder fragen Sie Ihren Helpdesk."
            ),
            RefusalCode.NO_MAILBOX: (
                "Keine Ihrer Adressen ist gut genug bekannt, um einen Code dorthin zu senden. "
                "Fragen Sie Ihren Helpdesk."
            ),
        },
    }
)
"""What is said otherwise where a recovery is asked for."""

_UNITS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = MappingProxyType(
    {
        "en": (("second", "seconds"), ("minute", "minutes"), ("hour", "hours")),
        "de": (("Sekunde", "Sekunden"), ("Minute", "Minuten"), ("Stunde", "Stunden")),
    }
)
_TRIES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "en": ("You have one try left.", "You have {left} tries left."),
        "de": ("Sie haben noch einen Versuch.", "Sie haben noch {left} Versuche."),
    }
)


def fault_text(refusal: Refusal, language: str) -> str | None:
    """What to say of it; None: it is not about what was typed."""
    template = FAULTS[language].get(refusal.code)
    return _filled(template, refusal, language) if template is not None else None


def recovery_fault_text(refusal: Refusal, language: str) -> str | None:
    """Why no recovery was begun, or what else went wrong on its page."""
    template = RECOVERY_FAULTS[language].get(refusal.code)
    return _filled(template, refusal, language) if template is not None else fault_text(refusal, language)


def _filled(template: str, refusal: Refusal, language: str) -> str:
    said = template.format(
        tries=_tries(refusal.attempts_left, language),
        wait=wait_text(refusal.retry_after_seconds or 0, language),
        minutes=_counted(abs(refusal.minutes_off or 0), _UNITS[language][1]),
    )
    return said.strip()


def wait_text(seconds: int, language: str) -> str:
    """Such as "45 seconds" or "3 minutes", rounded up: whoever waits so long has waited enough."""
    short, middle, long = _UNITS[language]
    if seconds < _IN_SECONDS:
        return _counted(max(seconds, 1), short)
    if seconds < 2 * _HOUR:
        return _counted(-(-seconds // _MINUTE), middle)
    return _counted(-(-seconds // _HOUR), long)


def _counted(number: int, unit: tuple[str, str]) -> str:
    return f"{number} {unit[0] if number == 1 else unit[1]}"


def _tries(left: int | None, language: str) -> str:
    if left is None:
        return ""
    one, many = _TRIES[language]
    return one if left == 1 else many.format(left=left)
