"""The audit log, to audit."""

from shared.contracts.commands.request import Request

_AUDIT_REQUESTS = "audit.requests"


class ReadEntries(Request):
    """Read the audit log of a tenant, of one account where the envelope names one. Answer: `EntriesAnswer`."""

    type = "read_entries"
    lane = _AUDIT_REQUESTS

    after: int = 0  # sequence number
    before: int | None = None
    limit: int = 50
    newest_first: bool = False
    types: tuple[str, ...] = ()
    with_proof: bool = False  # each entry with what its hash is made of


class OpenAuditExport(Request):
    """The log is taken away as a file; entries after and before these, both exclusive. Answer: `OpenedAuditExport`."""

    type = "open_audit_export"
    lane = _AUDIT_REQUESTS

    format: str
    after: int = 0  # sequence number
    before: int | None = None  # None: up to the end as it is now
    is_look: bool = False  # for the head of the answer only: nobody takes anything away


class ReadProof(Request):
    """What an outsider needs to check the tenant's chain. Answer: `ProofAnswer`."""

    type = "read_proof"
    lane = _AUDIT_REQUESTS
