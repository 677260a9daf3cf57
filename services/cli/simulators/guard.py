"""Where a simulator may run: not in production, not for another machine."""

import os
from ipaddress import ip_address
from urllib.parse import urlsplit


def require_safe(host: str) -> None:
    """Raise `RuntimeError` in production and `ValueError` for an address that others can reach.

    A simulator takes codes from anybody and shows them to anybody.
    """
    # Asked here and not of the settings: the guard holds however a simulator came to be started.
    if os.environ.get("DESKFACTOR_ENV") == "production":  # noqa: TID251
        raise RuntimeError("simulators do not start in production")
    if not ip_address(host).is_loopback:
        raise ValueError("simulators listen on loopback only")


def is_loopback_url(url: str) -> bool:
    """Whether a callback goes to this machine, by address: a name could lead anywhere."""
    parts = urlsplit(url)
    try:
        return parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
