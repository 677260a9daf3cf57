"""Each service holds the keys it needs and no other: a break-in at one gives away what that one could do anyway."""

from collections.abc import Mapping

import pytest

from services.audit import app as audit
from services.gateway import app as gateway
from services.notifier import app as notifier
from services.otp_worker import app as otp_worker
from services.policy import app as policy
from shared.crypto.keyring import RING_NAMES

_RINGS: Mapping[str, frozenset[str]] = {
    "gateway": frozenset(gateway.RINGS),
    "otp_worker": frozenset(otp_worker.RINGS),
    "policy": frozenset(policy.RINGS),
    "notifier": frozenset(notifier.RINGS),
    "audit": frozenset(audit.RINGS),
}

# What a ring can do that only one service may do.
_ALONE = {
    "rest": "otp_worker",  # open the seeds of authenticators
    "digest": "otp_worker",  # tell which code was sent
    "sign.assertion": "otp_worker",  # say that somebody passed
    "cancel": "policy",  # make the links that stop a recovery
    "dispute": "notifier",  # say "this was not me" in an account's name
    "rest.audit": "audit",  # open the audit log
    "sign.audit": "audit",  # vouch for it
    "digest.gateway": "gateway",  # tell whether a guessed address is an account's
}


@pytest.mark.parametrize("ring", sorted(_ALONE))
def test_a_ring_with_such_power_is_at_one_service(ring: str) -> None:
    """Two holders would be two places to break in."""
    assert [name for name, rings in _RINGS.items() if ring in rings] == [_ALONE[ring]]


@pytest.mark.parametrize("service", sorted(_RINGS))
def test_a_service_lacks_the_rings_that_it_should_not_have(service: str) -> None:
    """The gateway seals codes to the verifier and cannot sign; audit reads everything that happened and no code."""
    lacked = {
        "gateway": {"rest", "digest", "sign.assertion", "sign.audit", "rest.audit", "cancel", "dispute"},
        "otp_worker": {"seal.policy", "sign.audit", "rest.audit", "cancel", "dispute", "digest.gateway"},
        "policy": set(RING_NAMES) - {"seal.gateway", "seal.policy", "seal.notifier", "cancel"},
        "notifier": set(RING_NAMES) - {"seal.notifier", "seal.gateway", "dispute"},
        "audit": set(RING_NAMES) - {"sign.audit", "rest.audit", "seal.gateway"},
    }
    assert _RINGS[service] & lacked[service] == set()


@pytest.mark.parametrize("service", sorted(_RINGS))
def test_a_service_asks_for_rings_that_are_made(service: str) -> None:
    """`deskfactor keyring init` makes what `RING_NAMES` lists; another name would keep the service from starting."""
    assert _RINGS[service] <= set(RING_NAMES)


def test_every_ring_is_needed_by_somebody() -> None:
    """A key that nobody uses is only ever stolen."""
    assert frozenset[str]().union(*_RINGS.values()) == set(RING_NAMES)
