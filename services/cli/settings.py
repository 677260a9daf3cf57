"""What the operator's commands need to know; less than a service."""

from pathlib import Path

from pydantic import SecretStr

from shared.settings import ConfigurationError, Settings, load_settings


class OperatorSettings(Settings):
    """Commands that look into the database. Key rings are used where they are there, and never needed."""

    key_dir: Path = Path("/etc/deskfactor/keys")


class BrokerSettings(OperatorSettings):
    """Commands that look at the broker."""

    database_url: SecretStr = SecretStr("")


def operator_settings() -> OperatorSettings:
    """Read from the environment. Raises `ConfigurationError`."""
    return load_settings(OperatorSettings)


def database_url() -> str:
    """``DESKFACTOR_DATABASE_URL``. Raises `ConfigurationError`."""
    return operator_settings().database_url.get_secret_value()


def broker_urls() -> list[str]:
    """``DESKFACTOR_AMQP_URLS``. Raises `ConfigurationError`."""
    urls = [url.get_secret_value() for url in load_settings(BrokerSettings).amqp_urls]
    if not urls:
        raise ConfigurationError("DESKFACTOR_AMQP_URLS: say where the broker is")
    return urls
