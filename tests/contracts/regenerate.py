"""``python -m tests.contracts.regenerate``: write the goldens of new messages, and let old ones grow by new fields.

Refuses whatever would break somebody who holds an older message: a field that went away, changed its form, or has no
default (then the old golden no longer decodes). Such a change is a new message type.
"""

import json
import sys

from shared.contracts.codec import MESSAGES, UndecodableMessage, decode
from tests.contracts import goldens


def main() -> int:
    """Exit status 0 when all goldens are as the contracts are now, 1 when one could not be."""
    refused = [(each, problem) for each in sorted(MESSAGES) if (problem := regenerate(each)) is not None]
    for message_type, problem in refused:
        print(f"{message_type}: {problem}", file=sys.stderr)
    return 1 if refused else 0


def regenerate(message_type: str) -> str | None:
    """Write one golden; None, or why not."""
    path, document = goldens.path_of(message_type), goldens.fresh(message_type)
    if path.exists():
        before = goldens.read(message_type)
        try:
            decode(json.dumps(before).encode())
        except UndecodableMessage as error:
            return f"a message as it was until now is refused ({error.reason}): new fields need a default"
        if gone := goldens.lost(before, document):
            return f"a contract only grows, but {', '.join(gone)} went away or changed"
        if before == document:
            return None
        print(f"{message_type}: grown")
    else:
        print(f"{message_type}: new")
    path.parent.mkdir(exist_ok=True)
    path.write_text(goldens.render(document))
    return None


if __name__ == "__main__":
    sys.exit(main())
