"""Settings of the verifier."""

from typing import Annotated

from pydantic import Field

from shared.settings import Settings


class OtpWorkerSettings(Settings):
    """See `Settings`."""

    public_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+/?$")] = "http://127.0.0.1:8080"
