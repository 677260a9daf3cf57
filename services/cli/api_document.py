"""The OpenAPI and AsyncAPI documents without a gateway: for clients' generators."""

from pathlib import Path

from pydantic import SecretStr

from services.gateway.api.asyncapi import event_document
from services.gateway.api.openapi import document
from services.gateway.api.routes import listed
from services.gateway.settings import GatewaySettings
from shared.settings import load_settings


class DocumentSettings(GatewaySettings):
    """A gateway's, without what only a running one needs."""

    database_url: SecretStr = SecretStr("")
    key_dir: Path = Path()


def api_document() -> dict[str, object]:
    """What ``/openapi.json`` would say with these settings. Raises `ConfigurationError`."""
    return dict(document(listed(), load_settings(DocumentSettings)))


def asyncapi_document() -> dict[str, object]:
    """What ``/asyncapi.json`` would say with these settings. Raises `ConfigurationError`."""
    return dict(event_document(load_settings(DocumentSettings)))
