"""The golden files: ``golden/<message type>.json``, each one message as it went over the bus when it was written."""

import json
from pathlib import Path

from shared.contracts.codec import encode
from tests.contracts.examples import example

FOLDER = Path(__file__).parent / "golden"

Json = dict[str, object]


def path_of(message_type: str) -> Path:
    """Where the golden of a type is."""
    return FOLDER / f"{message_type}.json"


def read(message_type: str) -> Json:
    """The golden as it was written."""
    document: Json = json.loads(path_of(message_type).read_text())
    return document


def render(document: Json) -> str:
    """For people to read in a diff."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def fresh(message_type: str) -> Json:
    """The example as it would go over the bus today."""
    document: Json = json.loads(encode(example(message_type)))
    return document


def lost(before: object, after: object, at: str = "") -> list[str]:
    """Where ``after`` lacks or changes what ``before`` said; empty when it has only grown."""
    match before, after:
        case dict(), dict():
            return [
                place
                for name, value in before.items()
                for place in (lost(value, after[name], f"{at}/{name}") if name in after else [f"{at}/{name}"])
            ]
        case _:
            return [] if before == after else [at]
