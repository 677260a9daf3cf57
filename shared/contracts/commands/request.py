"""A command that is answered."""

from uuid import UUID

from shared.contracts.envelope import Command
from shared.contracts.types import RequestKey


class Request(Command):
    """A command that is answered."""

    request: RequestKey | None = None

    @property
    def about(self) -> str | None:
        """What it is about, where that is no account: one after the other is carried out."""
        return None

    @property
    def goes_alone(self) -> bool:
        """Whether it takes long, so that others shall not be judged together with it."""
        return False


def request_scope(method: str, path: str) -> str:
    """The scope of an Idempotency-Key within its tenant."""
    return f"{method} {path}"


SYSTEM_TENANT = UUID(int=0)
"""The chain of what concerns no tenant."""
