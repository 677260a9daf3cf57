"""A trusted device: stands in for the code at a sign-in, and for nothing else."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from shared.contracts.types import DeviceId, FactorType, Method, Purpose

_TRUSTWORTHY = frozenset({Method.TOTP, Method.SMS, Method.WEBAUTHN, Method.BACKUP_CODE, Method.RECOVERY_KEY})
_AGENTS = (
    ("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedDevice:
    """A device that was trusted, found by the digest of its token."""

    id: DeviceId
    name: str
    method: str
    factor_epoch: int
    created_at: dt.datetime
    expires_at: dt.datetime
    last_used_at: dt.datetime | None = None


def may_trust(method: Method, purpose: Purpose, days: int) -> bool:
    """Whether this proof may earn trust: at a sign-in, where the tenant allows it, and never by a mailed code or a
    recovery code: who holds the mailbox or talked the desk into a code shall not stay for a month.
    """
    return days > 0 and purpose is Purpose.SIGN_IN and method in _TRUSTWORTHY


def is_trusted(
    device: TrustedDevice,
    *,
    factor_epoch: int,
    password_changed_at: dt.datetime | None,
    methods: Collection[FactorType],
    trusted_device_days: int,
    now: dt.datetime,
) -> bool:
    """Whether the trust holds now: its time, the factors and the password it was given under, and today's policy."""
    return (
        now < min(device.expires_at, device.created_at + dt.timedelta(days=trusted_device_days))
        and device.factor_epoch == factor_epoch
        and (password_changed_at is None or password_changed_at < device.created_at)
        and (device.method not in set(FactorType) or device.method in methods)
    )


def device_name(user_agent: str | None) -> str:
    """Such as "Firefox on Windows", from what the browser says of itself: shown to its owner, never decided by."""
    agent = user_agent or ""
    browser = next((name for mark, name in _AGENTS if mark in agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in agent), None)
    match browser, system:
        case None, None:
            return "Unknown device"
        case _, None:
            return str(browser)
        case None, _:
            return str(system)
        case _:
            return f"{browser} on {system}"
