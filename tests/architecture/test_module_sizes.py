"""A module is read in one sitting; one that grew too long is split by noun."""

import pytest

from tests.architecture.source import here, python_files

_MOST = 300  # lines; 250 is the aim

_LISTS = {"services/gateway/problems.py"}  # in which something is looked up


def test_no_module_is_longer_than_a_reader_bears() -> None:
    """What does not fit into a head is changed without being understood."""
    lengths = {here(path): len(path.read_text().splitlines()) for path in python_files("services", "shared")}
    assert {name: length for name, length in lengths.items() if length > _MOST and name not in _LISTS} == {}


@pytest.mark.parametrize("folder", ["services", "shared", "tests"])
def test_no_module_is_named_after_nothing(folder: str) -> None:
    """`utils` is where things go that nobody found a place for, and where nobody looks for them."""
    nothing = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
    assert [here(path) for path in python_files(folder) if path.stem in nothing or path.parent.name in nothing] == []
