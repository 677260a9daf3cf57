"""The operator at work: a database role that may do little, and a name in the audit log."""

import contextlib
import getpass
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from shared.contracts.envelope import Event, begin
from shared.db.connection import Connection
from shared.db.pool import Database
from shared.db.tenant_time import tenant_now
from shared.messaging.outbox import insert_messages
from shared.messaging.unit_of_work import outbox_row

SOURCE = "/cli"
_POOL = 2  # connections: one command, one or two statements at a time


def operator_database(dsn: str, *, size: int = _POOL) -> AbstractAsyncContextManager[Database]:
    """The database as ``deskfactor_operator``."""
    return Database(dsn, role="deskfactor_operator", name="operator", size=size)


@contextlib.asynccontextmanager
async def operator_transaction(dsn: str, *tenants: UUID, work_queues: bool = False) -> AsyncIterator[Connection]:
    """One transaction of the operator; of no tenant, or of those named."""
    async with (
        operator_database(dsn) as database,
        database.transaction(tenants, work_queues=work_queues) as conn,
    ):
        yield conn


async def announce(conn: Connection, tenant_id: UUID, event: Event) -> None:
    """Say with the commit what was done, and who did it. A running service's sweep publishes it within seconds."""
    envelope = begin(
        event,
        tenant_id=tenant_id,
        account_id=None,
        actor=actor(),
        source=SOURCE,
        at=await tenant_now(conn, tenant_id),
    )
    await insert_messages(conn, [outbox_row(envelope)])


def actor() -> str:
    """Who types, as the audit log names it."""
    try:
        return f"operator:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"operator:{os.getuid()}"
