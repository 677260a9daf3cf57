"""What is stored for the relay is handed over as it was stored."""

import ast

from tests.architecture.source import here, python_files, tree

_STORES = ("insert_messages(", "insert_said(")
_SWEPT = {"services/cli/operator.py"}  # no relay of its own: the sweep reads the row, and all that is in it
_NO_ROWS = {"services/gateway/api/announcing.py"}  # an answer alone; its messages go the usual way


def test_who_hands_rows_over_hands_over_what_was_stored() -> None:
    """Only the stored row knows whether its tenant has a queue: the one from before would not be told there."""
    forgotten = [
        here(path, node)
        for path in python_files("services", "shared")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Expr) and any(each in ast.unparse(node.value) for each in _STORES)
        if here(path) not in _SWEPT | _NO_ROWS
    ]
    assert forgotten == []
