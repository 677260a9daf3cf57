"""Documents that are not true are worse than none: what they name exists."""

import re
from pathlib import Path

import pytest

from services.cli.__main__ import application
from shared.contracts.codec import EVENTS
from shared.crypto.keyring import RING_NAMES
from tests.architecture.source import ROOT

_DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_NAMES = [str(path.relative_to(ROOT)) for path in _DOCUMENTS]
_LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)[^)]*\)")
_TEST = re.compile(r"`([a-z_/]+\.py)::(test_[a-z_0-9]+)`")
_FOLDERS = "docs|deploy|requirements|services|shared|tests|tools"


@pytest.mark.parametrize("name", _NAMES)
def test_links_lead_somewhere(name: str) -> None:
    """A reader who follows a dead link does not follow the next one."""
    path = ROOT / name
    local = [target for target in _LINK.findall(path.read_text()) if "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("name", _NAMES)
def test_paths_exist(name: str) -> None:
    """Files move; whoever moves one finds here who spoke of it."""
    named = re.findall(rf"`((?:{_FOLDERS})/[\w./-]+)`", (ROOT / name).read_text())
    assert [path for path in named if "NNNN" not in path and not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", _NAMES)
def test_make_targets_exist(name: str) -> None:
    """The first two commands that anybody types."""
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z0-9]+)", (ROOT / name).read_text(), re.MULTILINE)) <= targets


@pytest.mark.parametrize("name", _NAMES)
def test_commands_exist(name: str) -> None:
    """What a document tells an operator to type must do what it says on a bad day."""
    app = application()
    known = {each.name or getattr(each.callback, "__name__", "") for each in app.registered_commands}
    known |= {each.name or "" for each in app.registered_groups}
    assert set(re.findall(r"`deskfactor ([a-z-]+)", (ROOT / name).read_text())) <= known


def test_the_tests_that_show_a_requirement_exist() -> None:
    """A table that names its proofs is only worth something while they are there."""
    text = (ROOT / "docs/security.md").read_text()
    assert _TEST.search(text)
    missing = [f"{file}::{test}" for file, test in _TEST.findall(text) if not _has_test(ROOT / "tests" / file, test)]
    assert missing == []


def test_every_event_has_somebody_who_says_it() -> None:
    """Whoever looks for where an event comes from begins at this table."""
    text = (ROOT / "docs/architecture.md").read_text().split("## Services")[1].split("## ")[0]
    said = set(re.findall(r"`([a-z_]+\.[a-z_*]+)`", text))
    assert {event for event in EVENTS if event not in said and f"{event.split('.')[0]}.*" not in said} == set()


def test_every_ring_is_explained() -> None:
    """An operator decides by this table who may hold which."""
    text = (ROOT / "docs/security.md").read_text()
    assert set(re.findall(r"`([a-z_.]+)`", text.split("## Key rings")[1].split("## ")[0])) >= set(RING_NAMES)


def _has_test(path: Path, test: str) -> bool:
    return path.exists() and f"def {test}(" in path.read_text()
