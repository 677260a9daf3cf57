"""Where a webhook may go: the public internet, and nowhere that only we can reach."""

import pytest

from services.notifier.adapters.webhook_http import is_acceptable
from services.notifier.domain.address import may_reach

_REFUSED = [
    "0.0.0.0",  # noqa: S104 - refused, not bound
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "localhost",
    "",
]


@pytest.mark.parametrize("address", _REFUSED)
def test_what_only_we_can_reach_is_refused(address: str) -> None:
    """Metadata services, neighbours and this machine itself answer whoever is inside: we must not ask for others."""
    assert not may_reach(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_what_anybody_can_reach_is_allowed(address: str) -> None:
    """The guard keeps nobody from their own public server."""
    assert may_reach(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_a_developers_own_machine_is_allowed_where_asked_for(address: str) -> None:
    """A sandbox's endpoint in development is a program on the same machine."""
    assert may_reach(address, is_loopback_allowed=True)


@pytest.mark.parametrize("address", [each for each in _REFUSED if "127." not in each and each != "::1"])
def test_nothing_else_is_allowed_with_it(address: str) -> None:
    """Loopback is the one exception, not the first of several."""
    assert not may_reach(address, is_loopback_allowed=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://desk.acme.example/hooks",
        "ftp://desk.acme.example/hooks",
        "https://127.0.0.1/hooks",
        "https://[::1]/hooks",
        "https://[::ffff:127.0.0.1]/hooks",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.7:8443/",
        "https://2130706433/",
        "https://127.1/",
        "https://localhost/hooks",
        "https://ann:secret@desk.acme.example/hooks",
        "https://desk.acme.example:0/hooks",
        "https://desk.acme.example/hooks#part",
        "https://",
        "https:///hooks",
        "https://desk.acme.example:port/",
        "https://desk.acme.example/" + "x" * 2000,
        "",
    ],
)
def test_an_address_that_is_not_for_everybody_is_no_endpoint(url: str) -> None:
    """What can be told from the text is told when the endpoint is made, not at three in the morning."""
    assert not is_acceptable(url, is_local=False)


@pytest.mark.parametrize(
    "url", ["https://desk.acme.example/hooks", "https://desk.acme.example:8443/?key=1", "https://1.1.1.1/hooks"]
)
def test_a_public_https_address_is_one(url: str) -> None:
    """Names are judged by what they resolve to, at each connection."""
    assert is_acceptable(url, is_local=False)
    assert is_acceptable(url, is_local=True)


def test_plain_http_is_for_this_machine_in_development_only() -> None:
    """Events in clear over a network would be anybody's."""
    for url in ("http://127.0.0.1:8080/hooks", "http://localhost:8080/hooks", "http://[::1]:8080/"):
        assert is_acceptable(url, is_local=True)
        assert not is_acceptable(url, is_local=False)
    assert not is_acceptable("http://desk.acme.example/hooks", is_local=True)
    assert not is_acceptable("http://10.0.0.7/hooks", is_local=True)
