"""What pydantic compiles of a pattern stays in memory, in each process and for each model that has it."""

import re

from tests.architecture.source import here, python_files

_REPEATED = re.compile(r"StringConstraints\([^\n]*pattern=[^\n]*\[\^[^\]]*\]\{\d*,\d\d+\}")


def test_no_pattern_counts_a_class_of_all_but_a_few_characters() -> None:
    """``[^ ]{1,2000}`` is compiled 2,000 times, as UTF-8: 6 MiB. ``+`` with ``max_length`` says the same."""
    found = [here(path) for path in python_files("services", "shared") if _REPEATED.search(path.read_text())]
    assert found == []
