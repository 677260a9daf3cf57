"""The timeline has a sentence for everything that can happen."""

import datetime as dt
import enum
import string
from collections.abc import Mapping

import pytest

from services.gateway.api.answers import ToldNotice
from services.gateway.api.event_words import BECAUSE, WORDS, actor, instant
from services.gateway.api.explained import SENTENCES, VARIANTS, explain, sentence
from services.gateway.api.reminders import told
from shared.contracts.codec import EVENTS
from shared.contracts.replies import Entry
from shared.contracts.types import Decision, EnforcementState, FactorType, Method, Purpose


def test_every_event_has_a_sentence() -> None:
    """An entry without words would be a riddle to the admin who reads it."""
    assert set(SENTENCES) == set(EVENTS)


@pytest.mark.parametrize("kind", sorted(SENTENCES))
def test_a_sentence_names_fields_of_its_event_only(kind: str) -> None:
    """A field that is not there would leave a gap."""
    member, variants = VARIANTS.get(kind, ("", {}))
    for template in (SENTENCES[kind], *variants.values()):
        named = {name for _, name, _, _ in string.Formatter().parse(template) if name}
        assert named <= set(EVENTS[kind].model_fields)
    assert not member or member in EVENTS[kind].model_fields


def entry(event: dict[str, object] | None) -> Entry:
    """An entry of the audit log."""
    at = dt.datetime(2027, 1, 31, tzinfo=dt.UTC)
    return Entry(seq=7, id="x", type="backup_codes.used", at=at, account_id="ada", actor=None, event=event)


def test_an_entry_is_told_in_words() -> None:
    """With the figures of the event."""
    used = entry({"data": {"codes_left": 9, "kind": "backup_code"}})
    assert explain(used)["summary"] == "A backup code was used in place of a factor; 9 are left."


def test_what_was_erased_or_lacks_a_field_is_told_too() -> None:
    """Retention takes payloads away, and old events know less."""
    assert explain(entry(None))["summary"] == "The details were erased."
    assert explain(entry({"data": {}}))["summary"] == "A backup code was used in place of a factor; ? are left."


def test_how_long_before_a_deadline_is_said_in_words() -> None:
    """`3d` is for machines."""
    reminded = entry({"data": {"stage": "3d", "deadline": "2027-02-03T00:00:00Z"}}).model_copy(
        update={"type": "enforcement.reminded"}
    )
    assert explain(reminded)["summary"] == (
        "A reminder was given, 3 days before the deadline, 3 February 2027, 00:00 UTC."
    )


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("backup_codes.generated", {"count": 10, "kind": "backup_code"}, "10 backup codes were made"),
        ("backup_codes.generated", {"count": 1, "kind": "recovery_key"}, "A recovery key was made"),
        ("factor.confirmed", {"factor_type": "totp"}, "A second factor was added (authenticator app)."),
        (
            "login.decided",
            {"purpose": "sign_in", "decision": "locked_out", "reason": "deadline_passed"},
            "Login (sign-in): not let in, locked out, because the deadline for a second factor has passed.",
        ),
        ("sandbox.clock_moved", {"advance_seconds": 604_800}, "The sandbox's clock went forward by 7 days."),
        ("sandbox.clock_moved", {"advance_seconds": 3_601}, "The sandbox's clock went forward by 3601 seconds."),
        (
            "notification.sent",
            {"notification": "factor_added", "destination": "a"},
            "The notice `factor added` was sent",
        ),
        ("enforcement.changed", {"state": "exempt", "reason": "on leave"}, "The account is exempt until ?: on leave."),
        ("enforcement.unlocked", {"reason": "policy_changed"}, "The account was unlocked: policy changed."),
    ],
)
def test_what_is_for_machines_is_said_in_words(kind: str, data: dict[str, object], words: str) -> None:
    """Who reads a timeline on a bad day has not read our contracts."""
    assert sentence(kind, data).startswith(words)


_LOCKED = {
    "deadline": "2027-02-07T09:30:00Z",
    "requirement": "role",
    "role": "agent",
    "since": "2027-01-31T09:30:00Z",
    "policy_version": 3,
    "policy_saved_by": "admin:root",
    "policy_saved_at": "2027-01-31T09:29:58+01:00",
}


def test_a_lock_says_whose_requirement_it_was() -> None:
    """Locked by what, since when, and whom to ask about it."""
    assert sentence("enforcement.locked_out", dict(_LOCKED)) == (
        "The account was locked out: there was no second factor at the deadline, 7 February 2027, 09:30 UTC. "
        "It is required of every agent since 31 January 2027, 09:30 UTC, by version 3 of the policy, which admin root "
        "saved on 31 January 2027, 08:29 UTC."
    )
    alone = _LOCKED | {"requirement": "individual", "policy_saved_by": None}
    assert "of this account alone since" in sentence("enforcement.locked_out", alone)
    assert "which was saved on" in sentence("enforcement.locked_out", alone)


def test_a_lock_of_an_older_version_says_what_it_knows() -> None:
    """The log is older than any version of ours."""
    assert sentence("enforcement.locked_out", {"deadline": "2027-02-07T09:30:00Z"}) == (
        "The account was locked out: there was no second factor at the deadline, 7 February 2027, 09:30 UTC."
    )
    assert sentence("enforcement.started", {}) == "A second factor is required at the next login."


def notice(seq: int, fate: str, delivery: str, name: str = "enforcement_reminder", to: str = "a•@b.example") -> Entry:
    """An entry about a notice, a day for each number."""
    data = {"delivery_id": delivery, "notification": name, "channel": "email", "destination": to}
    at = dt.datetime(2027, 2, seq, tzinfo=dt.UTC)
    return entry({"data": data}).model_copy(update={"seq": seq, "type": f"notification.{fate}", "at": at})


def test_a_lock_says_who_was_told_and_who_was_not() -> None:
    """`I never heard of it` is the first thing that is said; here is what became of each notice."""
    entries = [
        notice(8, "undeliverable", "three", to="•••• 23"),
        notice(7, "delivered", "two"),
        notice(6, "sent", "two"),
        notice(5, "sent", "other", name="factor_removed"),
        entry({"data": {}}).model_copy(update={"seq": 4, "type": "enforcement.started", "at": notice(3, "", "").at}),
        notice(4, "sent", "one", name="enforcement_started").model_copy(update={"seq": 3}),  # was heard first
        notice(2, "sent", "of the requirement before"),
    ]
    notices = told(entries)
    assert [(each.at.day, each.notification, each.state) for each in notices] == [
        (4, "enforcement_started", "sent"),
        (6, "enforcement_reminder", "delivered"),
        (8, "enforcement_reminder", "undeliverable"),
    ]
    lock = entry({"data": dict(_LOCKED)}).model_copy(update={"type": "enforcement.locked_out"})
    assert str(explain(lock, {lock.seq: notices})["summary"]).endswith(
        "Told before: a•@b.example, 4 February 2027, 00:00 UTC; a•@b.example, 6 February 2027, 00:00 UTC. "
        "Could not be reached: •••• 23."
    )
    assert str(explain(lock, {lock.seq: ()})["summary"]).endswith("No notice of it reached anybody.")
    assert isinstance(notices[0], ToldNotice)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("admin:root", "admin root"),
        ("api_key:01990000-0000-7000-8000-0000000000b1", "the API key 01990000-0000-7000-8000-0000000000b1"),
        ("system", "the system"),
        ("something:else", "something:else"),
    ],
)
def test_an_actor_is_named(name: str, words: str) -> None:
    """Whom to ask."""
    assert actor(name) == words


def test_an_instant_that_is_none_is_a_gap() -> None:
    """An entry that somebody wrote otherwise must not take the page down."""
    assert (instant("yesterday"), instant(None)) == ("?", "?")


def test_every_value_that_is_said_in_words_is_one() -> None:
    """A word for a value that there is not would hide that the real one has none."""
    known: Mapping[str, type[enum.StrEnum]] = {
        "decision": Decision,
        "factor_type": FactorType,
        "method": Method,
        "purpose": Purpose,
    }
    for member, values in known.items():
        assert set(WORDS[member]) <= {each.value for each in values}, member
    assert set(WORDS["decision"]) == {each.value for each in Decision}
    assert set(WORDS["factor_type"]) == {each.value for each in FactorType}
    assert {state.value for state in EnforcementState} == set(VARIANTS["enforcement.changed"][1])
    assert "deadline_passed" in BECAUSE


def test_several_things_are_counted_up_in_words() -> None:
    """Whoever looks for the day on which proofs were switched off reads no brackets and quotes."""
    changed = entry({"data": {"changed": ["colour", "admin_proof"]}}).model_copy(update={"type": "tenant.changed"})
    assert explain(changed)["summary"] == "The tenant's settings were changed: colour, admin_proof."
