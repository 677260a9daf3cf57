"""Settings: all faults at once, no value among them, and nothing fake in production."""

from pathlib import Path

import pytest

from services.gateway.settings import GatewaySettings
from services.notifier.settings import NotifierSettings
from shared.settings import ConfigurationError, Settings, Transport, load_settings

PASSWORD = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with the least that a service needs."""
    import os  # noqa: PLC0415 - for its names only

    for name in [name for name in os.environ if name.startswith("DESKFACTOR_")]:  # noqa: TID251 - to take them away
        monkeypatch.delenv(name)
    monkeypatch.setenv("DESKFACTOR_DATABASE_URL", f"postgresql://app:{PASSWORD}@db/deskfactor")
    monkeypatch.setenv("DESKFACTOR_KEY_DIR", str(tmp_path))
    return tmp_path


def faults(kind: type[Settings] = Settings) -> list[str]:
    """What an operator is told."""
    with pytest.raises(ConfigurationError) as refused:
        load_settings(kind)
    assert PASSWORD not in str(refused.value)
    return str(refused.value).splitlines()


def test_the_least_is_enough() -> None:
    """An address and keys; the bus is then the database."""
    settings = load_settings(Settings)
    assert settings.bus is Transport.POSTGRES
    assert PASSWORD not in repr(settings)


def test_every_setting_that_is_wrong_is_told_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told one at a time they cost a start each, at night."""
    monkeypatch.delenv("DESKFACTOR_DATABASE_URL")
    monkeypatch.setenv("DESKFACTOR_DATABASE_POOL", f"{PASSWORD}")
    monkeypatch.setenv("DESKFACTOR_BUS", PASSWORD)
    monkeypatch.setenv("DESKFACTOR_HEALTH_PORT", "65536")
    assert [line.split(":")[0] for line in faults()] == [
        "DESKFACTOR_DATABASE_URL",
        "DESKFACTOR_DATABASE_POOL",
        "DESKFACTOR_BUS",
        "DESKFACTOR_HEALTH_PORT",
    ]


def test_settings_that_contradict_each_other_are_told_in_one_go_too(
    monkeypatch: pytest.MonkeyPatch, nothing_given: Path
) -> None:
    """A service's own are among them."""
    (nothing_given / "NOT-FOR-PRODUCTION").touch()
    monkeypatch.setenv("DESKFACTOR_ENV", "production")
    monkeypatch.setenv("DESKFACTOR_BUS", "rabbitmq")
    monkeypatch.setenv("DESKFACTOR_DATABASE_URL", "postgresql://app:insecure@db/deskfactor")
    monkeypatch.setenv("DESKFACTOR_PUBLIC_URL", "http://2fa.example.com/")
    told = faults(GatewaySettings)
    assert len(told) == 5
    for word in ("AMQP_URLS", "key rings", "database password", "without a slash", "https in production"):
        assert any(word in line for line in told)


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("DESKFACTOR_DATABASE_URL", "postgresql://app:insecure-example@db/deskfactor", "database password"),
        ("DESKFACTOR_AMQP_URLS", "amqps://a:x@one/,amqps://a:insecure@two/", "broker password"),
        ("DESKFACTOR_SANDBOX_SMTP_PORT", "1025", "for development"),
        ("DESKFACTOR_SANDBOX_TWILIO_URL", "http://127.0.0.1:1", "for development"),
    ],
)
def test_production_refuses_what_is_for_trying_out(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, word: str
) -> None:
    """What makes the first hour easy must not be there when somebody's account hangs on it."""
    monkeypatch.setenv(name, value)
    load_settings(NotifierSettings)
    monkeypatch.setenv("DESKFACTOR_ENV", "production")
    assert [line for line in faults(NotifierSettings) if word in line]


def test_a_simulator_elsewhere_is_refused_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is spoken to without TLS, and gets codes."""
    monkeypatch.setenv("DESKFACTOR_SANDBOX_TWILIO_URL", "http://simulator.example.com")
    assert "must be on this machine" in faults(NotifierSettings)[0]


def test_brokers_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster has several; a blank or a comma too many is no host."""
    monkeypatch.setenv("DESKFACTOR_BUS", "rabbitmq")
    monkeypatch.setenv("DESKFACTOR_AMQP_URLS", " amqps://a@one/ , amqps://a@two/,")
    urls = [url.get_secret_value() for url in load_settings(Settings).amqp_urls]
    assert urls == ["amqps://a@one/", "amqps://a@two/"]


def test_secrets_come_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment is read by whoever may look at the process; the environment wins where both speak."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "deskfactor_database_url").write_text("postgresql://from-a-file/\n")
    monkeypatch.setenv("DESKFACTOR_SECRETS_DIR", str(folder))
    assert PASSWORD in load_settings(Settings).database_url.get_secret_value()
    monkeypatch.delenv("DESKFACTOR_DATABASE_URL")
    assert load_settings(Settings).database_url.get_secret_value() == "postgresql://from-a-file/"


def test_a_folder_of_secrets_that_is_not_there_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Passed over, the service would start with what happens to be in the environment."""
    monkeypatch.setenv("DESKFACTOR_SECRETS_DIR", str(tmp_path / "nowhere"))
    assert faults() == [f"DESKFACTOR_SECRETS_DIR: {tmp_path / 'nowhere'} is no folder"]


def test_settings_do_not_change_under_a_service() -> None:
    """Read once; whoever holds them holds the same."""
    settings = load_settings(Settings)
    with pytest.raises(ValueError, match="frozen"):
        settings.log_level = "debug"  # type: ignore[misc]
