"""One lock an account. Whoever decides about an account holds it for the length of the transaction.

An advisory lock rather than a row's: a login needs it before there is a row, and services that own different tables
take the same one, so that a lock, the confirmation of an enrolment and the execution of a recovery are decided one
after the other. What is read after the lock is what is true until the commit.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from shared.db.connection import Connection

Account = tuple[UUID, str]
"""Tenant and account id."""

KEY_OF_ROW = "hashtextextended(tenant_id || ':' || account_id, 0)"
"""The lock's key in SQL, of a row that has both; for who finds an account and locks it in one statement."""


async def lock_account(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """Wait for the account's lock; freed at the end of the transaction."""
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid || ':' || $2::text, 0))", tenant_id, account_id
    )


async def share_accounts(conn: Connection, accounts: Sequence[Account]) -> None:
    """Wait until nobody is deciding about these, and let nobody decide until the commit; others may share them.

    In one order everywhere, so that two of these do not deadlock.
    """
    await conn.execute(
        """
        SELECT pg_advisory_xact_lock_shared(key)
          FROM (SELECT DISTINCT hashtextextended(tenant_id || ':' || account_id, 0) AS key
                  FROM unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, account_id) ORDER BY key) AS keys
        """,
        [tenant_id for tenant_id, _ in accounts],
        [account_id for _, account_id in accounts],
    )


async def lock_page(conn: Connection, tenant_id: UUID, account_ids: Sequence[str]) -> None:
    """Wait for the locks of several accounts of one tenant, in the order of their ids: two pages cannot deadlock.

    Everybody else who waits for an account's lock waits for one and holds none, or does not wait (below).
    """
    await conn.fetch(
        """
        SELECT pg_advisory_xact_lock(hashtextextended($1::uuid || ':' || wanted.account_id, 0))
          FROM (SELECT account_id FROM unnest($2::text[]) AS page (account_id) ORDER BY account_id) AS wanted
        """,
        tenant_id,
        list(account_ids),
    )


async def try_lock_accounts(conn: Connection, accounts: Sequence[Account]) -> Collection[Account]:
    """Lock those of ``accounts`` that nobody holds, without waiting: a frame that waited for two could deadlock."""
    rows = await conn.fetch(
        f"""
        SELECT tenant_id, account_id
          FROM unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, account_id)
         WHERE pg_try_advisory_xact_lock({KEY_OF_ROW})
        """,  # noqa: S608 - a constant
        [tenant_id for tenant_id, _ in accounts],
        [account_id for _, account_id in accounts],
    )
    return {(row["tenant_id"], row["account_id"]) for row in rows}


async def lock_accounts(conn: Connection, accounts: Sequence[Account]) -> Collection[Account]:
    """The lock step of a handler of lists: one account is waited for, of several the free ones are taken."""
    match list(dict.fromkeys(accounts)):
        case []:
            return set()
        case [(tenant_id, account_id)]:
            await lock_account(conn, tenant_id, account_id)
            return {(tenant_id, account_id)}
        case several:
            return await try_lock_accounts(conn, several)
