"""``deskfactor import``: line by line, a bounded number of them on their way, told in the order of the file."""

import asyncio
import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from services.cli.moving.faults import Fault
from services.cli.moving.formats import Source
from services.cli.moving.parcels import Packer
from services.cli.moving.permits import end_permit, import_permit_id, load_known_tenant, permit
from services.cli.moving.questions import open_questions
from services.cli.moving.sending import Done, Packed, Sender, batches
from services.cli.operator import announce, operator_database
from services.cli.settings import OperatorSettings
from services.gateway.api.contacts import Contacts
from services.gateway.queries.tenants import TenantRow
from shared.contracts.events import TenantImported, TenantImportStarted
from shared.contracts.tenant import TenantSettings
from shared.contracts.types import PermitId
from shared.crypto.keyring import load_ring
from shared.ids import new_id

RINGS = ("seal.gateway", "seal.otp_worker", "seal.notifier", "digest.gateway")  # a gateway's, but for policy's
AT_ONCE = 4  # messages on their way: one service works at one while the other works at the next

Tell = Callable[["Progress"], None]
Report = Callable[[int, Fault], None]


@dataclass(slots=True)
class Progress:
    """How far it is: lines and bytes."""

    size: int  # bytes of the file
    end: int = 0  # bytes done
    lines: int = 0
    accounts: int = 0  # lines taken over, in whole
    refused: int = 0  # lines of which something was refused
    factors: int = 0
    backup_codes: int = 0
    recovery_keys: int = 0
    known: int = 0  # factors and codes that were there from a run before


async def check_file(settings: OperatorSettings, tenant_id: UUID, source: Source, *, report: Report,
                     tell: Tell) -> Progress:  # fmt: skip
    """Read the file and judge every line; nothing is asked of any service, nothing written. Raises as `import_file`."""
    async with operator_database(settings.database_url.get_secret_value()) as database:
        tenant = await load_known_tenant(database, tenant_id)
    packer = _packer(settings, tenant)
    progress = Progress(size=await asyncio.to_thread(_size, source.path))
    for entry, packed in _packed(source, packer):
        faults = packed if isinstance(packed, list) else []
        _count(progress, Done(entry, faults), report, tell)
    return progress


async def import_file(
    settings: OperatorSettings, tenant_id: UUID, source: Source, *, report: Report, tell: Tell
) -> Progress:
    """Take a file over. Said again, after a crash or for good measure, it takes over what is missing.

    Raises `UnreadableFile`, `NoSuchTenant`, `KeyRingError`, `ServicesDown`, `StoreUnavailable`.
    """
    permit_id = import_permit_id(tenant_id, await asyncio.to_thread(_digest, source.path))
    async with open_questions(settings, tenant_id, permit_id) as (questions, database):
        packer = _packer(settings, await load_known_tenant(database, tenant_id))
        sender = Sender(questions=questions, permit_id=permit_id, run_id=new_id(), digests=packer.digests)
        await permit(database, tenant_id, permit_id, TenantImportStarted(import_id=permit_id))
        progress = Progress(size=await asyncio.to_thread(_size, source.path))
        with contextlib.closing(_packed(source, packer)) as entries:
            await _send_all(sender, entries, lambda done: _count(progress, done, report, tell))
        async with database.transaction([tenant_id]) as conn:
            await end_permit(conn, tenant_id, permit_id)
            await announce(conn, tenant_id, _imported(permit_id, progress))
    return progress


async def _send_all(sender: Sender, entries: Iterator[Packed], count: Callable[[Done], None]) -> None:
    """A window over the file: the oldest lines are waited for when the window is full, so memory does not grow."""
    under_way: deque[asyncio.Task[list[Done]]] = deque()

    async def count_oldest() -> None:
        for done in await under_way.popleft():
            count(done)

    try:
        for batch in batches(entries):
            under_way.append(asyncio.create_task(sender.send(batch)))
            if len(under_way) >= AT_ONCE:
                await count_oldest()
        while under_way:
            await count_oldest()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


def _packed(source: Source, packer: Packer) -> Generator[Packed, None, None]:
    """Each line with its commands. Of two lines about one account nobody knows which is true: the second is refused."""
    seen: set[bytes] = set()
    for entry in source.entries():
        if isinstance(entry.found, list):
            yield entry, entry.found
            continue
        whose = hashlib.blake2b(entry.found.account_id.encode(), digest_size=8).digest()
        if whose in seen:
            yield entry, [Fault("account_id", "account_id_repeated")]
            continue
        seen.add(whose)
        yield entry, packer.pack(entry.found, entry.number, entry.raw)


def _packer(settings: OperatorSettings, tenant: TenantRow) -> Packer:
    rings = {name: load_ring(settings.key_dir, name) for name in RINGS}
    contacts = Contacts(destinations=rings["seal.notifier"], digests=rings["digest.gateway"])
    return Packer(
        tenant_id=tenant.tenant_id,
        is_sandbox=tenant.is_sandbox,
        contacts=contacts.within(TenantSettings.model_validate(tenant.settings).countries),
        typed=rings["seal.otp_worker"],
        digests=rings["digest.gateway"],
    )


def _count(progress: Progress, done: Done, report: Report, tell: Tell) -> None:
    progress.lines += 1
    progress.end = done.entry.end
    progress.accounts += not done.faults
    progress.refused += bool(done.faults)
    if done.imported is not None:
        progress.factors += done.imported.factors
        progress.backup_codes += done.imported.backup_codes
        progress.recovery_keys += done.imported.recovery_keys
        progress.known += done.imported.known
    for fault in done.faults:
        report(done.entry.number, fault)
    tell(progress)


def _imported(permit_id: PermitId, progress: Progress) -> TenantImported:
    return TenantImported(
        import_id=permit_id,
        accounts=progress.accounts,
        refused=progress.refused,
        factors=progress.factors,
        backup_codes=progress.backup_codes,
    )


def _size(path: Path) -> int:
    return path.stat().st_size


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_json(progress: Progress, *, is_dry_run: bool) -> Mapping[str, object]:
    """The result for machines."""
    return {
        "is_dry_run": is_dry_run,
        "lines": progress.lines,
        "accounts": progress.accounts,
        "refused": progress.refused,
        "factors": progress.factors,
        "backup_codes": progress.backup_codes,
        "recovery_keys": progress.recovery_keys,
        "known": progress.known,
    }
