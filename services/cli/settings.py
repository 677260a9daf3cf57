"""What the operator's commands need to know; less than a service."""

from pathlib import Path

from pydantic import SecretStr

from shared.settings import ConfigurationError, Settings, Transport, load_settings


class OperatorSettings(Settings):
    """Commands that look into the database. Key rings are used where they are there, and never needed."""

    key_dir: Path = Path("/etc/deskfactor/keys")


class BrokerSettings(OperatorSettings):
    """Commands that look at the broker."""

    database_url: SecretStr = SecretStr("")
    rabbitmq_management_url: SecretStr | None = None  # with the name and password of an administrator


def operator_settings() -> OperatorSettings:
    """Read from the environment. Raises `ConfigurationError`."""
    return load_settings(OperatorSettings)


def database_url() -> str:
    """``DESKFACTOR_DATABASE_URL``. Raises `ConfigurationError`."""
    return operator_settings().database_url.get_secret_value()


def broker_urls() -> list[str]:
    """``DESKFACTOR_AMQP_URLS``. Raises `ConfigurationError`."""
    return _urls(load_settings(BrokerSettings))


def broker_access_settings() -> BrokerSettings:
    """For giving tenants access to the broker. Raises `ConfigurationError` where tenants cannot have it."""
    settings = load_settings(BrokerSettings)
    if not settings.database_url.get_secret_value():
        raise ConfigurationError("DESKFACTOR_DATABASE_URL: say where the database is")
    if settings.bus is not Transport.RABBITMQ:
        raise ConfigurationError(
            "DESKFACTOR_BUS: tenants publish over RabbitMQ only; the PostgreSQL lanes have no sign-in for them. "
            "`POST /v1/events` takes the same events over HTTP."
        )
    _urls(settings)
    return settings


def _urls(settings: BrokerSettings) -> list[str]:
    urls = [url.get_secret_value() for url in settings.amqp_urls]
    if not urls:
        raise ConfigurationError("DESKFACTOR_AMQP_URLS: say where the broker is")
    return urls
