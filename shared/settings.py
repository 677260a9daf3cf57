"""Settings that every service has. Read once from the environment and from files; all faults are told together."""

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

PREFIX = "DESKFACTOR_"


class Environment(enum.StrEnum):
    """Where this runs. What makes development easy refuses to start in production."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Transport(enum.StrEnum):
    """Which bus carries the messages."""

    RABBITMQ = "rabbitmq"
    POSTGRES = "postgres"


class ConfigurationError(Exception):
    """The settings cannot be used; the text lists every fault, and no value."""


class Settings(BaseSettings):
    """``DESKFACTOR_…`` from the environment, or a file of that name in ``DESKFACTOR_SECRETS_DIR``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True
    )

    env: Environment = Environment.DEVELOPMENT
    database_url: SecretStr
    database_role: str | None = None  # None: the service's own
    database_pool: Annotated[int, Field(ge=2, le=100)] = 10
    bus: Transport = Transport.POSTGRES
    amqp_urls: Annotated[tuple[SecretStr, ...], NoDecode] = ()  # separated by commas
    key_dir: Path
    log_level: str = "info"
    health_port: Annotated[int, Field(ge=0, le=65535)] = 0  # of a worker's /healthz, /readyz, /metrics; 0: none
    health_host: str = "127.0.0.1"

    @model_validator(mode="before")
    @classmethod
    def _split_urls(cls, values: dict[str, object]) -> dict[str, object]:
        urls = values.get("amqp_urls")
        if isinstance(urls, str):
            values["amqp_urls"] = tuple(url.strip() for url in urls.split(",") if url.strip())
        return values

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        faults = list(self.faults())
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def faults(self) -> Iterator[str]:
        """What is wrong although each setting is well-formed; a service that has more to say goes on from here."""
        if self.bus is Transport.RABBITMQ and not self.amqp_urls:
            yield "bus rabbitmq needs DESKFACTOR_AMQP_URLS"
        if self.env is not Environment.PRODUCTION:
            return
        if (self.key_dir / "NOT-FOR-PRODUCTION").exists():
            yield "these key rings were made for development: `deskfactor keyring init DIR` makes others"
        if "insecure" in self.database_url.get_secret_value():
            yield "the database password is the example's; give it another"
        if any("insecure" in url.get_secret_value() for url in self.amqp_urls):
            yield "the broker password is the example's; give it another"


S = TypeVar("S", bound=Settings)


def load_settings(kind: type[S], **overrides: object) -> S:
    """Read settings of that kind. Raises `ConfigurationError` with all faults at once."""
    secrets_dir = _SecretsDir().secrets_dir
    if secrets_dir is not None and not secrets_dir.is_dir():
        raise ConfigurationError(f"{PREFIX}SECRETS_DIR: {secrets_dir} is no folder")
    try:
        return kind(**overrides, **({"_secrets_dir": secrets_dir} if secrets_dir else {}))  # type: ignore[arg-type]
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        raise ConfigurationError("\n".join(_describe(fault["loc"], fault["msg"]) for fault in faults)) from None
    except SettingsError as error:  # a source that cannot be read; it names the setting, and no value
        raise ConfigurationError(str(error)) from None


class _SecretsDir(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    secrets_dir: Path | None = None


def _describe(location: tuple[int | str, ...], message: str) -> str:
    name = PREFIX + "_".join(str(part) for part in location).upper() if location else "settings"
    return "\n".join(f"{name}: {line}" for line in message.removeprefix("Value error, ").splitlines())
