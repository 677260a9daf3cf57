"""An export, read back: opened with the tenant's key, checked to be whole before anything of it is taken over."""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from pyrage import DecryptError, IdentityError, decrypt, x25519

from services.cli.moving.exporting import MANIFEST, VERSION
from services.cli.moving.lines import Line, UnreadableFile, read_lines

LARGEST_PART = 64 * 1024 * 1024  # bytes; a page is some hundred KiB

_PAGE = re.compile(r"accounts-\d{6}\.jsonl\.age")


def read_identity(path: Path) -> x25519.Identity:
    """A key file as ``age-keygen`` writes it. Raises `UnreadableFile`."""
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
        [text] = [line for line in lines if line and not line.startswith("#")]
        return x25519.Identity.from_str(text)
    except (OSError, ValueError, IdentityError):
        raise UnreadableFile("the identity is not a key file of age with one key") from None


def read_archive(path: Path, identity: x25519.Identity) -> Iterator[Line]:
    """The lines of all pages, numbered through. Raises `UnreadableFile`."""
    pages = _checked(path)
    number = 0
    with tarfile.open(path, mode="r:") as tar:
        for name, end in pages:
            for line in read_lines(io.BytesIO(_opened(_content(tar, name), identity))):
                number += 1
                yield Line(number, line.text, line.reason, end)


def _checked(path: Path) -> list[tuple[str, int]]:
    """The pages and how far each reaches into the file. A page that is missing, or another one, is found here."""
    try:
        with tarfile.open(path, mode="r:") as tar:
            ends = {each.name: each.offset_data + each.size for each in tar.getmembers()}
            manifest = json.loads(_content(tar, MANIFEST))
            if (manifest["format"], manifest["version"]) != ("deskfactor-export", VERSION):
                raise UnreadableFile("the file is no export of a version that is understood here")
            for name, digest in manifest["sha256"].items():
                if hashlib.sha256(_content(tar, name)).hexdigest() != digest:
                    raise UnreadableFile("the export is not as it was written")
            return [(name, ends[name]) for name in manifest["sha256"] if _PAGE.fullmatch(name)]
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError, AttributeError):
        raise UnreadableFile("the export is not whole, or none") from None


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    entry = tar.getmember(name)
    file = tar.extractfile(entry)
    if file is None or entry.size > LARGEST_PART:
        raise KeyError(name)
    return file.read()


def _opened(content: bytes, identity: x25519.Identity) -> bytes:
    try:
        opened: bytes = decrypt(content, [identity])
    except DecryptError:
        raise UnreadableFile("the identity does not open this export") from None
    return opened
