"""What events say, in words for people: enumerations, actors, instants and spans as a sentence wants them."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

_MACHINE_WORD: Final = re.compile(r"[a-z0-9]+(_[a-z0-9]+)+")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
_FACTORS: Final = {"totp": "authenticator app", "sms": "SMS", "email": "e-mail", "webauthn": "security key or passkey"}
_PURPOSES: Final = {"sign_in": "sign-in", "step_up": "step-up", "api_password": "API password"}

WORDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "decision": {
            "allow": "let in",
            "challenge": "a second factor was asked for",
            "enrol": "led to enrolment",
            "enrol_optional": "let in, and enrolment was offered",
            "locked_out": "not let in, locked out",
            "deny": "not let in",
        },
        "factor_type": _FACTORS,
        "format": {"csv": "CSV", "jsonl": "JSON lines"},
        "method": _FACTORS
        | {
            "backup_code": "backup code",
            "recovery_key": "recovery key",
            "recovery_code": "recovery code of an admin",
            "trusted_device": "trusted device",
        },
        "purpose": _PURPOSES,
        "stage": {"7d": "7 days", "3d": "3 days", "1d": "1 day", "1h": "1 hour"},
    }
)
"""Values of enumerations, by member; the others are words already."""

BECAUSE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "2fa_required": "a second factor is required",
        "account_inactive": "the account is not active",
        "deadline_passed": "the deadline for a second factor has passed",
        "exempt": "the account is exempt",
        "factor_enrolled": "the account has a second factor",
        "grace": "a second factor is required from a deadline on",
        "idp_second_factor": "the identity provider saw a second factor",
        "must_enrol": "a second factor is required and there is none",
        "no_factor": "the account has no second factor",
        "not_required": "no second factor is required",
        "satisfied": "the account has a second factor",
        "sso": "the first factor was SSO",
        "step_up": "a fresh second factor was wanted",
        "trusted_device": "the device is trusted",
    }
)
"""Why a login was decided as it was."""

_WIDE: Final[Mapping[str, str]] = MappingProxyType({"all": "everybody", "individual": "this account alone"})
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def in_words(kind: str, data: Mapping[str, object]) -> dict[str, object]:
    """The members of an event of that type as its sentence names them."""
    return {name: _said(kind, name, value) for name, value in data.items()}


def grounds(data: Mapping[str, object]) -> str:
    """A sentence about the requirement that an event tells of; empty where an older event does not."""
    requirement = str(data.get("requirement", ""))
    if not requirement:
        return ""
    whom = _WIDE.get(requirement, f"every {data.get('role')}")
    parts = [f" It is required of {whom} since {instant(data.get('since'))}"]
    if version := data.get("policy_version"):
        parts.append(f"by version {version} of the policy")
    if data.get("policy_saved_at"):
        saver = data.get("policy_saved_by")
        by = f"{actor(str(saver))} saved" if saver else "was saved"
        parts.append(f"which {by} on {instant(data['policy_saved_at'])}")
    return ", ".join(parts) + "."


def actor(name: str) -> str:
    """Who did something (`shared.contracts.types.SYSTEM` lists the kinds)."""
    kind, _, whose = name.partition(":")
    say = _ACTORS.get(kind)
    return say(whose) if say is not None else name


_ACTORS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "account": lambda whose: f"the account {whose}",
        "admin": lambda whose: f"admin {whose}",
        "api_key": lambda whose: f"the API key {whose}",
        "broker": lambda _: "the helpdesk, over the broker",
        "operator": lambda whose: f"operator {whose}",
        "system": lambda _: "the system",
    }
)


def instant(value: object) -> str:
    """``7 February 2027, 09:30 UTC``."""
    try:
        at = dt.datetime.fromisoformat(str(value)).astimezone(dt.UTC)
    except ValueError:
        return "?"
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def _said(kind: str, name: str, value: object) -> object:
    text = str(value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if name in WORDS:
        return WORDS[name].get(text, text)
    if name == "reason" and kind == "login.decided" and text in BECAUSE:
        return BECAUSE[text]
    if name == "advance_seconds" and isinstance(value, int):
        return _span(value)
    if isinstance(value, str) and _INSTANT.match(text):
        return instant(value)
    if name in ("reason", "notification") and _MACHINE_WORD.fullmatch(text):
        return text.replace("_", " ")
    return value


def _span(seconds: int) -> str:
    """In the largest unit that says it exactly."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}{'' if count == 1 else 's'}"
