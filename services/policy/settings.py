"""Settings of policy."""

from typing import Annotated

from pydantic import StringConstraints

from shared.settings import Settings


class PolicySettings(Settings):
    """``DESKFACTOR_PUBLIC_URL``: where people reach the gateway, for the links in notices."""

    public_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"'?#]+$", max_length=208)] = (
        "http://127.0.0.1:8080"
    )
