"""Ports for servers that tests start, some of them seconds later, or again after they were killed."""

import os

from services.cli.embedded.place import free_ports

_given: set[int] = set()  # in this process


def own_ports(count: int) -> list[int]:
    """As `free_ports`, but none is given twice, and none to two halves of a run: until its server listens, a port looks
    free to everybody.
    """
    half = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))  # noqa: TID251 - of the tests
    halves = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))  # noqa: TID251 - of the tests
    ports: list[int] = []
    while len(ports) < count:
        [port] = free_ports(1)
        if port % halves == half and port not in _given:
            _given.add(port)
            ports.append(port)
    return ports
