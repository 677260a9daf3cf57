"""Exports read back: whole and unchanged, or not at all."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pyrage import encrypt, x25519

from services.cli.moving.archives import read_archive, read_identity
from services.cli.moving.exporting import MANIFEST, Archive, NotExported, _growing, _manifest, check_recipient
from services.cli.moving.lines import UnreadableFile
from shared.ids import new_id

IDENTITY = x25519.Identity.generate()
RECIPIENT = str(IDENTITY.to_public())
LINE = '{"account_id": "ann"}'


def _as_it_is(archive: Archive) -> None:
    pass


def written(folder: Path, change: Callable[[Archive], None] = _as_it_is) -> Path:
    """An export of two pages, as the command writes it, with a change before its manifest is added."""
    path = folder / "acme.tar"
    with _growing(path) as archive:
        for number in (1, 2):
            page = encrypt(f"{LINE}\n{LINE}\n".encode(), [IDENTITY.to_public()])
            archive.add(f"accounts-{number:06}.jsonl.age", page)
        change(archive)
        archive.add(MANIFEST, _manifest(archive, new_id(), "Acme", RECIPIENT))
    return path


def test_an_export_is_read_page_by_page(tmp_path: Path) -> None:
    """Lines are numbered through: the report must find them again."""
    lines = list(read_archive(written(tmp_path), IDENTITY))
    assert [(line.number, line.text) for line in lines] == [(number, LINE) for number in (1, 2, 3, 4)]


def test_a_page_that_was_changed_is_found_before_anything_is_taken_over(tmp_path: Path) -> None:
    """A disk's fault, or somebody's."""

    def change(archive: Archive) -> None:
        archive.members["accounts-000002.jsonl.age"] = "0" * 64

    with pytest.raises(UnreadableFile):
        list(read_archive(written(tmp_path, change), IDENTITY))


def test_a_page_that_is_missing_is_found(tmp_path: Path) -> None:
    """Those who stood on it would have no second factor, and nobody would know why."""

    def change(archive: Archive) -> None:
        archive.members["accounts-000003.jsonl.age"] = "0" * 64

    with pytest.raises(UnreadableFile):
        list(read_archive(written(tmp_path, change), IDENTITY))


@pytest.mark.parametrize("part", [0.0, 0.1, 0.2, 0.28])
def test_a_file_that_was_cut_off_is_none(tmp_path: Path, part: float) -> None:
    """A copy over a line that broke off."""
    path = written(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * part)])
    with pytest.raises(UnreadableFile):
        list(read_archive(path, IDENTITY))


@pytest.mark.parametrize("manifest", ["[]", "{}", '{"format": "deskfactor-export", "version": 99, "sha256": {}}', "x"])
def test_another_manifest_is_refused(tmp_path: Path, manifest: str) -> None:
    """A later version may mean something else by the same words."""
    path = tmp_path / "acme.tar"
    with tarfile.open(path, "w") as tar:
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(manifest)
        tar.addfile(entry, io.BytesIO(manifest.encode()))
    with pytest.raises(UnreadableFile):
        list(read_archive(path, IDENTITY))


def test_another_key_does_not_open_it(tmp_path: Path) -> None:
    """And says nothing of what is inside."""
    with pytest.raises(UnreadableFile):
        list(read_archive(written(tmp_path), x25519.Identity.generate()))


def test_the_manifest_names_no_account(tmp_path: Path) -> None:
    """It is the one thing in there that anybody reads."""
    with tarfile.open(written(tmp_path)) as tar:
        file = tar.extractfile(MANIFEST)
        assert file is not None
        document = json.load(file)
    assert (document["recipient"], document["accounts"]) == (RECIPIENT, 0)
    assert "ann" not in json.dumps(document)


def test_a_key_file_is_read_as_its_tool_writes_it(tmp_path: Path) -> None:
    """With its comments; two keys, or none, are a mistake."""
    path = tmp_path / "key.txt"
    path.write_text(f"# created: today\n# public key: {RECIPIENT}\n{IDENTITY}\n")
    assert str(read_identity(path).to_public()) == RECIPIENT
    for text in ("", "# nothing\n", f"{IDENTITY}\n{IDENTITY}\n", "AGE-SECRET-KEY-1NO\n"):
        path.write_text(text)
        with pytest.raises(UnreadableFile):
            read_identity(path)
    with pytest.raises(UnreadableFile):
        read_identity(tmp_path / "none.txt")


@pytest.mark.parametrize(
    "text", ["", "age1", "age1notakey", pytest.param(str(IDENTITY), id="a secret key"), "ssh-ed25519 AAAA"]
)
def test_what_is_no_public_key_is_refused_before_anything_is_read(text: str) -> None:
    """Sealed to a mistyped key nobody would ever open it; what was typed may be the secret half: it is not shown."""
    with pytest.raises(NotExported) as raised:
        check_recipient(text)
    assert not text or text not in str(raised.value) or text == "age1"


def test_an_export_overwrites_nothing_and_leaves_no_part(tmp_path: Path) -> None:
    """The copy of last year may be the only one of somebody who has left since."""
    path = written(tmp_path)
    before = path.read_bytes()
    with pytest.raises(NotExported):
        written(tmp_path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["acme.tar"]
