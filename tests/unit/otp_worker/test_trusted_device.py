"""Trust: who earns it, and what ends it."""

import datetime as dt
from uuid import UUID

import pytest

from services.otp_worker.domain.trusted_device import TrustedDevice, device_name, is_trusted, may_trust
from shared.contracts.types import DeviceId, FactorType, Method, Purpose

NOW = dt.datetime(2027, 1, 31, 9, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
DEVICE = TrustedDevice(
    id=DeviceId(UUID(int=1)),
    name="Firefox on Windows",
    method="totp",
    factor_epoch=3,
    created_at=NOW - 10 * DAY,
    expires_at=NOW + 20 * DAY,
)


def test_trust_is_earned_by_a_factor_or_the_paper_at_the_door() -> None:
    """Never by a mailed code, a recovery code, or another trusted device; never at a step-up."""
    assert {method for method in Method if may_trust(method, Purpose.SIGN_IN, 30)} == {
        Method.TOTP,
        Method.SMS,
        Method.WEBAUTHN,
        Method.BACKUP_CODE,
        Method.RECOVERY_KEY,
    }
    assert not any(may_trust(Method.TOTP, purpose, 30) for purpose in Purpose if purpose is not Purpose.SIGN_IN)
    assert not may_trust(Method.TOTP, Purpose.SIGN_IN, 0)


@pytest.mark.parametrize(
    ("epoch", "password_changed", "days", "now", "is_good"),
    [
        (3, None, 30, NOW, True),
        (4, None, 30, NOW, False),
        (3, NOW - 11 * DAY, 30, NOW, True),
        (3, NOW - 10 * DAY, 30, NOW, False),
        (3, NOW, 30, NOW, False),
        (3, None, 10, NOW, False),
        (3, None, 11, NOW, True),
        (3, None, 0, NOW, False),
        (3, None, 365, NOW + 20 * DAY, False),
        (3, None, 30, NOW + 20 * DAY, False),
    ],
)
def test_trust_holds_as_long_as_what_it_was_given_under(
    epoch: int, password_changed: dt.datetime | None, days: int, now: dt.datetime, *, is_good: bool
) -> None:
    """Factors, password, its own time, and the policy of today, whichever ends first."""
    trusted = is_trusted(
        DEVICE,
        factor_epoch=epoch,
        password_changed_at=password_changed,
        methods=(FactorType.TOTP,),
        trusted_device_days=days,
        now=now,
    )
    assert trusted is is_good


@pytest.mark.parametrize(("method", "is_good"), [("totp", True), ("sms", False), ("backup_code", True)])
def test_a_method_switched_off_takes_its_trusts_along(method: str, *, is_good: bool) -> None:
    """What no longer opens the door must not hold it open either."""
    device = TrustedDevice(
        id=DEVICE.id,
        name=DEVICE.name,
        method=method,
        factor_epoch=3,
        created_at=DEVICE.created_at,
        expires_at=DEVICE.expires_at,
    )
    trusted = is_trusted(
        device,
        factor_epoch=3,
        password_changed_at=None,
        methods=(FactorType.TOTP,),
        trusted_device_days=30,
        now=NOW,
    )
    assert trusted is is_good


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0", "Firefox on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605 Version/18 Safari/605", "Safari on macOS"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537 Chrome/140.0 Mobile Safari/537", "Chrome on Android"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18 Mobile Safari/604", "Safari on iPhone"),
        ("curl/8.9", "Unknown device"),
        ("Helpdesk/3 (iPad)", "iPad"),
        (None, "Unknown device"),
    ],
)
def test_a_device_is_called_what_its_owner_would_call_it(agent: str | None, name: str) -> None:
    """In the list of devices one must be able to tell which is the stolen one."""
    assert device_name(agent) == name
