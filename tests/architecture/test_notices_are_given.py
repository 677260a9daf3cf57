"""Every text that there is to tell people is told by some service: a template alone warns nobody."""

import ast

from shared.contracts.notifications import Notification
from tests.architecture.source import python_files, tree


def _named_in(folder: str) -> set[str]:
    """Names of notifications that a service's code uses."""
    return {
        node.attr
        for path in python_files(folder)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Notification"
    }


def test_every_notification_is_sent_by_who_knows_of_it() -> None:
    """The one that nobody sends would be missed by whoever it was to warn."""
    assert _named_in("services/otp_worker") | _named_in("services/policy") >= {each.name for each in Notification}
