"""What the notifier has of an account, taken away."""

from uuid import UUID

from shared.db.connection import Connection


async def delete_deliveries(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """Every delivery from before the erasure. One that is being sent just now leaves no trace: its outcome finds no
    row.
    """
    await conn.execute(
        """
        DELETE FROM notifier.deliveries AS d USING policy.erased_accounts AS e
         WHERE e.tenant_id = $1 AND e.account_id = $2
           AND d.tenant_id = $1 AND d.account_id = $2 AND d.queued_at <= e.erased_system_at
        """,
        tenant_id,
        account_id,
    )


async def delete_sandbox_messages(conn: Connection, tenant_id: UUID, account_id: str) -> None:
    """What a sandbox's person was sent, where the delivery is gone. After the deliveries."""
    await conn.execute(
        """
        DELETE FROM notifier.sandbox_messages AS m
         WHERE m.tenant_id = $1 AND m.account_id = $2
           AND NOT EXISTS (SELECT FROM notifier.deliveries AS d
                            WHERE d.tenant_id = $1 AND d.delivery_id = m.delivery_id OFFSET 0)
        """,
        tenant_id,
        account_id,
    )
