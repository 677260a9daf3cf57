"""A message that one version wrote is read by the next: what is on a queue or in the audit log never becomes noise."""

import dataclasses
import importlib
import json
import pkgutil
from pathlib import Path

import pytest

from shared.contracts import commands, events
from shared.contracts.codec import MESSAGES, UndecodableMessage, decode, encode, text_of
from shared.contracts.commands import PutPolicy
from shared.contracts.envelope import Message, begin
from shared.contracts.policy import Policy
from tests.contracts import goldens, regenerate
from tests.contracts.examples import ACCOUNT, AT, TENANT

_AGAIN = "python -m tests.contracts.regenerate"


def test_every_message_has_a_golden_and_every_golden_a_message() -> None:
    """A message without a golden is a contract that nobody pinned; a golden without one was a contract that broke."""
    assert {path.stem for path in goldens.FOLDER.glob("*.json")} == MESSAGES.keys(), _AGAIN


def test_every_message_is_named_in_its_package() -> None:
    """One that is not is unknown to the codec, and its envelopes would be set aside as noise."""
    packages = (commands, events)
    modules = [
        importlib.import_module(found.name)
        for package in packages
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ]
    written = {
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Message) and "type" in vars(each)
    }
    assert written == set(MESSAGES.values())


@pytest.mark.parametrize("message_type", sorted(MESSAGES))
def test_a_golden_decodes_and_loses_nothing_on_the_way_back(message_type: str) -> None:
    """Messages of an older version wait in queues while a newer one starts."""
    golden = goldens.read(message_type)
    again = json.loads(encode(decode(json.dumps(golden).encode())))
    assert goldens.lost(golden, again) == []


@pytest.mark.parametrize("message_type", sorted(MESSAGES))
def test_a_golden_says_the_same_however_it_is_spaced(message_type: str) -> None:
    """What is written as we write it is read in one go, by the type that it begins with; the rest in two."""
    written = encode(decode(json.dumps(goldens.read(message_type)).encode()))
    assert decode(written) == decode(json.dumps(json.loads(written)).encode())


@pytest.mark.parametrize("message_type", sorted(MESSAGES))
def test_a_golden_shows_every_field(message_type: str) -> None:
    """A field that no golden shows could be renamed without a word."""
    data = goldens.read(message_type)["data"]
    assert isinstance(data, dict)
    assert data.keys() == MESSAGES[message_type].model_fields.keys(), _AGAIN


def test_a_policy_without_grace_days_arrives_without_them() -> None:
    """None is left out of a message, but a policy's `grace_days` is 7 unless said: everybody would get a week."""
    policy = Policy(grace_days=None)
    sent = begin(PutPolicy(policy=policy), tenant_id=TENANT, account_id=ACCOUNT, actor="system", source="/x", at=AT)
    received = decode(encode(sent)).data
    assert isinstance(received, PutPolicy)
    assert received.policy == policy


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "no.such.type"}, "unknown_type"),
        ({"specversion": "2.0"}, "not_a_cloudevent"),
        ({"tenantid": None}, "not_a_cloudevent"),
        ({"subject": "no spaces, please"}, "not_a_cloudevent"),
        ({"data": {"challenge_id": "not an id"}}, "wrong_data"),
        ({"data": {"challenge_id": "01990000-0000-7000-8000-0000000000c1", "more": 1}}, "wrong_data"),
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_what_is_no_message_says_why(change: dict[str, object], reason: str, separators: tuple[str, str]) -> None:
    """Such bytes go to the dead letters at once, with a word that holds nothing of the message."""
    document = goldens.read("read_challenge") | change
    with pytest.raises(UndecodableMessage) as caught:
        decode(json.dumps(document, separators=separators).encode())
    assert caught.value.reason == reason


def test_a_type_that_stands_in_the_data_is_not_the_messages() -> None:
    """Whoever writes something else first, with a type of its own, must not turn one fact into another."""
    document = goldens.read("challenge.issued")
    disguised = {"note": {"type": "challenge.exhausted"}} | document
    read = decode(json.dumps(disguised, separators=(",", ":")).encode())
    assert read.data.type == "challenge.issued"


def test_a_message_is_kept_as_it_came_unless_it_was_changed() -> None:
    """The log seals what it got; of an erased account's last word it makes a copy that must not name it any more."""
    body = json.dumps(goldens.read("account.erased")).encode()
    came = decode(body)
    nameless = dataclasses.replace(came, account_id=None)
    assert text_of(came) == body
    assert text_of(nameless) == encode(nameless)
    assert "subject" not in json.loads(text_of(nameless))


def test_attributes_that_we_do_not_know_are_let_pass() -> None:
    """CloudEvents lets others add attributes, such as a trace's (spec 1.0.2, 3.1.3)."""
    document = goldens.read("challenge.exhausted") | {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
    }
    assert decode(json.dumps(document).encode()).data.type == "challenge.exhausted"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"ready_at": "2027-01-01T00:00:00Z"}, "only grows"),
        ({"retired": True}, "need a default"),
    ],
)
def test_regenerating_refuses_what_would_break_a_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], complaint: str
) -> None:
    """Whoever is in a hurry runs the generator until the test is green: it must not help with that."""
    golden = goldens.read("recovery.waiting")
    data = golden["data"]
    assert isinstance(data, dict)
    (tmp_path / "recovery.waiting.json").write_text(json.dumps(golden | {"data": data | change}))
    monkeypatch.setattr(goldens, "FOLDER", tmp_path)
    problem = regenerate.regenerate("recovery.waiting")
    assert problem is not None
    assert complaint in problem
