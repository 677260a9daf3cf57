"""TOTP: the RFC's vectors, the window, and no step twice."""

import datetime as dt
import hmac

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.otp_worker.domain.totp import (
    ClockOff,
    NoStep,
    RightStep,
    UsedStep,
    base32,
    compare,
    seed_of,
    setup_uri,
    step_at,
)

RFC_SEED = b"12345678901234567890"  # RFC 6238, appendix B, SHA-1
NOW = dt.datetime(2027, 1, 31, 9, 30, 10, tzinfo=dt.UTC)
CURRENT = step_at(NOW)


def code_of(step: int, seed: bytes = RFC_SEED) -> str:
    """What an authenticator shows in that step."""
    return pyotp.TOTP(base32(seed)).generate_otp(step)


@pytest.mark.parametrize(
    ("seconds", "eight_digits"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238_hold(seconds: int, eight_digits: str) -> None:
    """Six digits are the last six of the appendix's eight; every authenticator in the world computes them."""
    now = dt.datetime.fromtimestamp(seconds, dt.UTC)
    verdict = compare(RFC_SEED, eight_digits[-6:], now=now, last_step=None, burnt_steps=(), may_hint=False)
    assert verdict == RightStep(seconds // 30)


@pytest.mark.parametrize("away", [-1, 0, 1])
def test_a_neighbouring_step_is_right(away: int) -> None:
    """People type slowly, and clocks differ by seconds."""
    assert _compare(code_of(CURRENT + away)) == RightStep(CURRENT + away)


@pytest.mark.parametrize("away", [-2, 2])
def test_two_steps_away_is_not(away: int) -> None:
    """Three live codes at a time, and no more."""
    assert _compare(code_of(CURRENT + away)) == NoStep()


@pytest.mark.parametrize(
    ("away", "minutes"), [(2, 1), (3, 2), (4, 2), (5, 3), (10, 5), (-2, -1), (-4, -2), (-5, -3), (-10, -5)]
)
def test_a_right_code_of_another_time_names_the_clocks_error(away: int, minutes: int) -> None:
    """Rounded up to whole minutes; ahead is positive."""
    assert _compare(code_of(CURRENT + away), may_hint=True) == ClockOff(CURRENT + away, minutes)


def test_eleven_steps_away_is_just_wrong() -> None:
    """Further off it is no clock, it is a guess."""
    assert _compare(code_of(CURRENT + 11), may_hint=True) == NoStep()


def test_a_burnt_step_is_not_accepted_when_its_time_comes() -> None:
    """A guesser who was told "two minutes ahead" would only have to wait."""
    assert _compare(code_of(CURRENT), burnt=(CURRENT,)) == UsedStep()


def test_an_old_code_gets_no_hint() -> None:
    """It was accepted once: the phone's clock is not off, somebody looked on."""
    assert _compare(code_of(CURRENT - 4), last_step=CURRENT - 4, may_hint=True) == NoStep()


def test_the_uri_survives_a_colon_in_the_tenants_name() -> None:
    """It would cut the label in two, and the app would show a piece of it as the account."""
    parsed = pyotp.parse_uri(setup_uri(RFC_SEED, account="ann", issuer="Acme: Support"))
    assert (parsed.name, parsed.issuer) == ("ann", "Acme  Support")


@given(steps=st.lists(st.integers(-1, 1), min_size=1, max_size=12), start=st.integers(1_000_000, 60_000_000))
def test_whatever_the_order_no_step_is_accepted_twice_nor_after_a_later_one(steps: list[int], start: int) -> None:
    """A, B, A: the remembered step only ever goes up (RFC 6238, 5.2)."""
    last: int | None = None
    accepted: list[int] = []
    for offset, away in enumerate(steps):
        now = dt.datetime.fromtimestamp((start + offset // 3) * 30, dt.UTC)
        wanted = step_at(now) + away
        verdict = compare(RFC_SEED, code_of(wanted), now=now, last_step=last, burnt_steps=(), may_hint=True)
        if isinstance(verdict, RightStep):
            last = verdict.step
            accepted.append(last)
    assert accepted == sorted(set(accepted))


@given(seconds=st.integers(0, 4_000_000_000))
def test_a_step_is_thirty_seconds_half_open(seconds: int) -> None:
    """The first second of a step belongs to it, the first of the next does not."""
    assert step_at(dt.datetime.fromtimestamp(seconds, dt.UTC)) == seconds // 30


def _compare(code: str, *, last_step: int | None = None, burnt: tuple[int, ...] = (), may_hint: bool = False) -> object:
    return compare(RFC_SEED, code, now=NOW, last_step=last_step, burnt_steps=burnt, may_hint=may_hint)


@pytest.mark.parametrize("length", [10, 16, 20, 32])
def test_a_seed_of_any_length_gives_the_codes_of_the_authenticator_that_has_it(length: int) -> None:
    """80-bit seeds are in phones whose owners moved here; pyotp alone would refuse them."""
    seed = RFC_SEED[:1] * length
    code = hotp(seed, CURRENT)
    assert compare(seed, code, now=NOW, last_step=None, burnt_steps=(), may_hint=False) == RightStep(CURRENT)
    assert seed_of(base32(seed)) == seed


def hotp(seed: bytes, counter: int) -> str:
    """RFC 4226, 5.3, without a library."""
    mac = hmac.digest(seed, counter.to_bytes(8, "big"), "sha1")
    at = mac[-1] & 0xF
    return f"{(int.from_bytes(mac[at : at + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"
