"""Whether a host is this machine: the only one that a secret may be sent to without TLS."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """True for ``localhost`` and for the addresses 127.0.0.0/8 and ::1; names are not resolved."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
