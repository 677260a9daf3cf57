"""``deskfactor export``: a tenant's copy, page by page, each sealed by otp_worker to the tenant's own key.

The command writes down what it is given. The file grows under another name and gets its own when it is whole.
"""

import base64
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from pyrage import RecipientError, encrypt, x25519

from services.cli.moving.permits import end_permit, load_known_tenant, permit
from services.cli.moving.questions import Questions, open_questions
from services.cli.settings import OperatorSettings
from services.gateway.queries.tenants import TenantRow
from shared.clock import host_now
from shared.contracts.commands import ExportAccounts, ReadPolicy
from shared.contracts.events import TenantExported
from shared.contracts.replies import ExportedPage, Refusal
from shared.contracts.tenant import TenantSettings
from shared.contracts.types import PermitId
from shared.ids import new_id
from shared.private_files import for_the_owner

VERSION = 1
MANIFEST = "manifest.json"
POLICY = "policy.json.age"
TENANT = "tenant.json.age"

Tell = Callable[[int], None]


class NotExported(Exception):
    """The export could not begin or go on; the text says why."""


@dataclass(slots=True)
class Archive:
    """The file as it grows, and what stands in it: the manifest comes last."""

    tar: tarfile.TarFile
    members: dict[str, str] = field(default_factory=dict)  # SHA-256 by name
    accounts: int = 0

    def add(self, name: str, content: bytes) -> None:
        """One member."""
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = len(content), 0o600, int(host_now().timestamp())
        self.tar.addfile(entry, io.BytesIO(content))
        if name != MANIFEST:
            self.members[name] = hashlib.sha256(content).hexdigest()


def check_recipient(text: str) -> None:
    """Raises `NotExported` for what is no public key of age."""
    try:
        x25519.Recipient.from_str(text)
    except RecipientError:
        raise NotExported("the recipient is no public key of age, age1…; `age-keygen` makes one") from None


async def export_tenant(
    settings: OperatorSettings, tenant_id: UUID, *, recipient: str, path: Path, reason: str, tell: Tell
) -> Archive:
    """Write everything of a tenant that moves.

    Raises `NotExported`, `NoSuchTenant`, `KeyRingError`, `ServicesDown`, `StoreUnavailable`.
    """
    check_recipient(recipient)
    permit_id = PermitId(new_id())
    async with open_questions(settings, tenant_id, permit_id) as (questions, database):
        tenant = await load_known_tenant(database, tenant_id)
        event = TenantExported(export_id=permit_id, recipient=recipient, reason=reason)
        await permit(database, tenant_id, permit_id, event, recipient=recipient)
        with _growing(path) as archive:
            archive.add(POLICY, _sealed(await _asked_for_policy(questions), recipient))
            archive.add(TENANT, _sealed(_settings_of(tenant), recipient))
            await _add_accounts(questions, permit_id, archive, tell)
            archive.add(MANIFEST, _manifest(archive, tenant_id, tenant.name, recipient))
        async with database.transaction([tenant_id]) as conn:
            await end_permit(conn, tenant_id, permit_id)
    return archive


async def _add_accounts(questions: Questions, permit_id: PermitId, archive: Archive, tell: Tell) -> None:
    after: str | None = None
    number = 0
    while number == 0 or after is not None:
        number += 1
        said = await questions.ask(ExportAccounts(permit_id=permit_id, after=after))
        page = ExportedPage.model_validate(_data(said))
        archive.add(f"accounts-{number:06}.jsonl.age", base64.b64decode(page.sealed))
        archive.accounts += page.accounts
        after = page.next_after
        tell(archive.accounts)


async def _asked_for_policy(questions: Questions) -> bytes:
    return json.dumps(_data(await questions.ask(ReadPolicy())), indent=2).encode()


def _settings_of(tenant: TenantRow) -> bytes:
    """As `GET /v1/tenant` has them, what was left at its default too."""
    settings = TenantSettings.model_validate(tenant.settings).model_dump(mode="json")
    return json.dumps({"name": tenant.name, **settings}, indent=2, ensure_ascii=False).encode()


def _data(said: Mapping[str, object] | Refusal) -> Mapping[str, object]:
    if isinstance(said, Refusal):
        raise NotExported(f"refused: {said.code.value}")
    return said


def _sealed(content: bytes, recipient: str) -> bytes:
    sealed: bytes = encrypt(content, [x25519.Recipient.from_str(recipient)])
    return sealed


def _manifest(archive: Archive, tenant_id: UUID, name: str, recipient: str) -> bytes:
    """In clear: what the file is, and by what it is found to be whole."""
    document = {
        "format": "deskfactor-export",
        "version": VERSION,
        "tenant_id": str(tenant_id),
        "tenant_name": name,
        "recipient": recipient,
        "exported_at": host_now().isoformat(timespec="seconds"),
        "accounts": archive.accounts,
        "sha256": archive.members,
    }
    return json.dumps(document, indent=2).encode()


@contextmanager
def _growing(path: Path) -> Iterator[Archive]:
    """A file that is not there until it is whole, and on the disk then."""
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb", opener=for_the_owner) as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                yield Archive(tar)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(part)  # fails where something is: an export overwrites nothing
    except FileExistsError:
        raise NotExported(f"{path} is there already") from None
    finally:
        part.unlink(missing_ok=True)
