"""What is said of methods and codes to whoever has to choose and to keep them."""

from shared.contracts.types import FactorType, Strength
from shared.rules.advice import ADVICE, KEEP_CODES, STRENGTHS, keeping


def test_every_method_has_its_strength() -> None:
    """A method without one could not be shown beside the others."""
    assert set(STRENGTHS) == set(FactorType)


def test_what_is_less_secure_says_why_and_nothing_else_does() -> None:
    """Somebody who chooses SMS shall know what they choose; who chooses an app is not warned of it."""
    assert {each for each in FactorType if STRENGTHS[each] is Strength.LESS_SECURE} == set(ADVICE)
    assert all(text.startswith("Less secure than an app: ") for text in ADVICE.values())


def test_guidance_comes_with_codes_and_only_with_them() -> None:
    """Beside nothing it would be noise, and noise is not read the next time."""
    assert keeping(("0K7D-M2QX",), None) == keeping(None, "5HJ8-TR3V") == KEEP_CODES
    assert keeping(None, None) is None
