"""Pages of the audit log, on their way through."""

import re

from services.gateway.api.call import Said
from services.gateway.api.cursors import position_of
from services.gateway.problems import Problem, invalid
from shared.contracts.replies import EntriesAnswer, Entry

_SEQUENCE = re.compile(r"[0-9]{1,18}")


def entries_of(said: Said) -> tuple[tuple[Entry, ...], bool]:
    """The entries, and whether there are more."""
    answer = EntriesAnswer.model_validate(dict(said.data))
    return answer.entries, answer.has_more


def before(cursor: str | None) -> int | Problem | None:
    """The sequence number that a page of newest entries ends before."""
    if cursor is None:
        return None
    position = position_of(cursor)
    if position is None or not _SEQUENCE.fullmatch(position):
        return invalid("/cursor", "cursor", "Not a cursor of this list.")
    return int(position)
