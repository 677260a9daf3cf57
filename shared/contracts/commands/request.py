"""A command that is answered."""

from uuid import UUID

from shared.contracts.envelope import Command
from shared.contracts.types import RequestKey


class Request(Command):
    """A command that is answered."""

    request: RequestKey | None = None


def request_scope(method: str, path: str) -> str:
    """The scope of an Idempotency-Key within its tenant."""
    return f"{method} {path}"


SYSTEM_TENANT = UUID(int=0)
"""The chain of what concerns no tenant."""
