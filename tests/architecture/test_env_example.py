"""`.env.example` is the list of settings that an operator reads: all of them, with the defaults that the code has."""

import enum
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from services.cli.embedded.binaries import OVERRIDE
from shared.settings import PREFIX, ConfigurationError, Settings, load_settings
from tests.architecture.source import ROOT, modules

_LINES = (ROOT / ".env.example").read_text().splitlines()
_SETTING = re.compile(rf"(?P<default>#?)(?P<name>{PREFIX}[A-Z_]+)=(?P<value>\S*)")
_WITHOUT_SETTINGS = {OVERRIDE: ""}  # read before there are any


def test_it_lists_every_setting_with_its_default() -> None:
    """An operator sets what is listed; a default that is not the code's is believed all the same."""
    assert {
        found["name"]: found["value"] for found in _settings() if found["default"]
    } == _defaults() | _WITHOUT_SETTINGS


def test_it_gives_an_example_of_what_has_no_default() -> None:
    """What must be set stands out, and everything else is behind a `#`."""
    assert {found["name"] for found in _settings() if not found["default"]} == _required()


def test_every_setting_is_explained() -> None:
    """A name alone is a riddle."""
    before = dict(zip(_LINES[1:], _LINES, strict=False))
    assert [each.group() for each in _settings() if not before[each.group()].startswith("# ")] == []


def test_every_line_is_a_setting_or_a_comment() -> None:
    """A shell and docker compose read this file as well as people do."""
    assert [line for line in _LINES if line and not line.startswith("# ") and not _SETTING.fullmatch(line)] == []


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"database_url": SecretStr("postgresql://deskfactor:insecure@localhost/deskfactor")}, "database password"),
        ({"bus": "rabbitmq", "amqp_urls": "amqp://deskfactor:insecure@localhost/"}, "broker password"),
    ],
)
def test_its_passwords_are_refused_in_production(tmp_path: Path, given: dict[str, object], complaint: str) -> None:
    """Whoever copies this file and forgets must not go on the internet with a password that everybody can read."""
    common = {"env": "production", "key_dir": tmp_path, "database_url": SecretStr("postgresql://x:y@localhost/z")}
    load_settings(Settings, **common)
    with pytest.raises(ConfigurationError, match=complaint):
        load_settings(Settings, **common | given)


def test_rings_made_for_development_are_refused_in_production(tmp_path: Path) -> None:
    """`make demo` marks its rings: they have been on somebody's laptop."""
    (tmp_path / "NOT-FOR-PRODUCTION").touch()
    with pytest.raises(ConfigurationError, match="key rings"):
        load_settings(
            Settings, env="production", key_dir=tmp_path, database_url=SecretStr("postgresql://x:y@localhost/z")
        )


def _settings() -> Iterator[re.Match[str]]:
    return (found for line in _LINES if (found := _SETTING.fullmatch(line)))


@cache
def _fields() -> Sequence[tuple[str, object, bool]]:
    """Name, default, and whether there is none, of every setting; those of services as the services have them."""
    list(modules("services", "shared"))
    ours = [each for each in _below(BaseSettings) if each.__module__.startswith(("services.", "shared."))]
    return [
        (f"{PREFIX}{name}".upper(), field.default, field.is_required())
        for kind in ours
        for name, field in kind.model_fields.items()
        if name not in Settings.model_fields or not kind.__module__.startswith("services.cli.")
    ]


def _required() -> set[str]:
    return {name for name, _, is_required in _fields() if is_required}


def _defaults() -> dict[str, str]:
    required = _required()
    return {name: _written(default) for name, default, _ in _fields() if name not in required}


def _written(default: object) -> str:
    match default:
        case None | ():
            return ""
        case enum.Enum():
            return str(default.value)
        case _:
            return str(default)


def _below(kind: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)
