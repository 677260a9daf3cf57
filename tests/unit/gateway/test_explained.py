"""The timeline has a sentence for everything that can happen."""

import datetime as dt
import string

import pytest

from services.gateway.api.explained import SENTENCES, explain
from shared.contracts.codec import EVENTS
from shared.contracts.replies import Entry


def test_every_event_has_a_sentence() -> None:
    """An entry without words would be a riddle to the admin who reads it."""
    assert set(SENTENCES) == set(EVENTS)


@pytest.mark.parametrize("kind", sorted(SENTENCES))
def test_a_sentence_names_fields_of_its_event_only(kind: str) -> None:
    """A field that is not there would leave a gap."""
    named = {name for _, name, _, _ in string.Formatter().parse(SENTENCES[kind]) if name}
    assert named <= set(EVENTS[kind].model_fields)


def entry(event: dict[str, object] | None) -> Entry:
    """An entry of the audit log."""
    at = dt.datetime(2027, 1, 31, tzinfo=dt.UTC)
    return Entry(seq=7, id="x", type="backup_codes.used", at=at, account_id="ada", actor=None, event=event)


def test_an_entry_is_told_in_words() -> None:
    """With the figures of the event."""
    used = entry({"data": {"codes_left": 9, "kind": "backup_code"}})
    assert explain(used)["summary"] == "A code was used in place of a factor (backup_code); 9 left."


def test_what_was_erased_or_lacks_a_field_is_told_too() -> None:
    """Retention takes payloads away, and old events know less."""
    assert explain(entry(None))["summary"] == "The details were erased."
    assert explain(entry({"data": {}}))["summary"] == "A code was used in place of a factor (?); ? left."


def test_how_long_before_a_deadline_is_said_in_words() -> None:
    """`3d` is for machines."""
    reminded = entry({"data": {"stage": "3d", "deadline": "2027-02-03T00:00:00Z"}}).model_copy(
        update={"type": "enforcement.reminded"}
    )
    assert explain(reminded)["summary"] == "A reminder was given (3 days before the deadline)."


def test_several_things_are_counted_up_in_words() -> None:
    """Whoever looks for the day on which proofs were switched off reads no brackets and quotes."""
    changed = entry({"data": {"changed": ["colour", "admin_proof"]}}).model_copy(update={"type": "tenant.changed"})
    assert explain(changed)["summary"] == "The tenant's settings were changed: colour, admin_proof."
