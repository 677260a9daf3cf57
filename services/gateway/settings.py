"""Where the gateway listens, and the address that the world knows it by."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, StringConstraints

from shared.settings import Environment, Settings

PublicUrl = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*)?$")]


class GatewaySettings(Settings):
    """The gateway's own settings."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080  # 0: a free one
    public_url: PublicUrl = "http://127.0.0.1:8080"  # without a slash at the end; signatures of callbacks cover it

    def faults(self) -> Iterator[str]:
        """See `Settings`."""
        yield from super().faults()
        if self.public_url.endswith("/"):
            yield "DESKFACTOR_PUBLIC_URL ends without a slash"
        if self.env is Environment.PRODUCTION and not self.public_url.startswith("https://"):
            yield "DESKFACTOR_PUBLIC_URL is https in production: keys and codes travel over it"
