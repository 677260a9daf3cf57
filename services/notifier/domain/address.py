"""Which addresses of the internet a webhook may be sent to: those that anybody can reach.

Whoever names an endpoint must not reach through us what only we can reach: the machine itself, its network, the cloud's
metadata (OWASP ASVS 5.0, V1.3.6). What is judged is the address that a socket is about to connect to, not a name.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_NOT_PUBLIC: Final = tuple(
    ip_network(each)
    for each in (  # IANA's special-purpose registries (RFC 6890) and multicast, in full: libraries differ by version
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT (RFC 6598); clouds have their metadata there, too
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_PUBLIC_V6: Final = ip_network("2000::/3")  # all that is given out; loopback, ULA, link-local, NAT64 are elsewhere
_NOT_PUBLIC_V6: Final = tuple(
    ip_network(each)
    for each in (
        "2001::/23",  # protocols, Teredo among them: an IPv4 address in disguise
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",
    )
)


def may_reach(address: str, *, is_loopback_allowed: bool = False) -> bool:
    """Whether a socket may be opened to this address, as in ``192.0.2.7`` or ``2001:db8::7``.

    ``is_loopback_allowed``: for sandbox tenants in development, whose endpoint is the developer's own machine.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    plain = (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed
    return (is_loopback_allowed and plain.is_loopback) or _is_public(plain)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    match address:
        case IPv4Address():
            return not any(address in network for network in _NOT_PUBLIC)
        case IPv6Address():
            return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)
