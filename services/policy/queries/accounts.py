"""Accounts."""

import datetime as dt
from collections.abc import Mapping, Sequence
from uuid import UUID

from services.policy.domain.account import Account
from shared.contracts.types import Contact, Role
from shared.db.connection import Connection


async def store_account(conn: Connection, tenant_id: UUID, account: Account) -> None:
    """Insert or replace an account; under its lock."""
    await conn.execute(
        """
        INSERT INTO policy.accounts AS a
               (tenant_id, account_id, role, email_sealed, email_masked, email_digest, email_verified, email_proved_at,
                email_changed_at, former_email, former_email_until, phone_sealed, phone_masked, phone_digest, locale,
                time_zone, is_sso, is_active, version, left_sso_at, role_changed_at, created_at,
                versions, deactivated_at, was_overdue, restarted_at, returned_at, sso_since)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                $23, $24, $25, $26, $27, $28)
            ON CONFLICT (tenant_id, account_id) DO UPDATE
           SET role = excluded.role, email_sealed = excluded.email_sealed, email_masked = excluded.email_masked,
               email_digest = excluded.email_digest, email_verified = excluded.email_verified,
               email_proved_at = excluded.email_proved_at, email_changed_at = excluded.email_changed_at,
               former_email = excluded.former_email, former_email_until = excluded.former_email_until,
               phone_sealed = excluded.phone_sealed, phone_masked = excluded.phone_masked,
               phone_digest = excluded.phone_digest, locale = excluded.locale, time_zone = excluded.time_zone,
               is_sso = excluded.is_sso, is_active = excluded.is_active, version = excluded.version,
               left_sso_at = excluded.left_sso_at, role_changed_at = excluded.role_changed_at,
               versions = excluded.versions, deactivated_at = excluded.deactivated_at,
               was_overdue = excluded.was_overdue, restarted_at = excluded.restarted_at,
               returned_at = excluded.returned_at, sso_since = excluded.sso_since
        """,
        tenant_id,
        account.account_id,
        account.role.value,
        *_columns(account.email),
        account.email_verified,
        account.email_proved_at,
        account.email_changed_at,
        account.former_email.model_dump() if account.former_email is not None else None,
        account.former_email_until,
        *_columns(account.phone),
        account.locale,
        account.time_zone,
        account.is_sso,
        account.is_active,
        account.version,
        account.left_sso_at,
        account.role_changed_at,
        account.created_at,
        dict(account.versions),
        account.deactivated_at,
        account.was_overdue,
        account.restarted_at,
        account.returned_at,
        account.sso_since,
    )


async def insert_accounts(conn: Connection, tenant_id: UUID, accounts: Sequence[Account]) -> None:
    """Store accounts that were never there; under their locks."""
    emails, phones = [each.email for each in accounts], [each.phone for each in accounts]
    await conn.execute(
        """
        INSERT INTO policy.accounts
               (tenant_id, account_id, role, email_sealed, email_masked, email_digest, email_verified, phone_sealed,
                phone_masked, phone_digest, locale, time_zone, is_sso, is_active, version, created_at, versions,
                sso_since)
        SELECT $1, new.*
          FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::text[],
                      $9::text[], $10::text[], $11::text[], $12::text[], $13::boolean[], $14::boolean[], $15::bigint[],
                      $16::timestamptz[], $17::jsonb[], $18::timestamptz[]) AS new
        """,
        tenant_id,
        [each.account_id for each in accounts],
        [each.role.value for each in accounts],
        [each.sealed if each is not None else None for each in emails],
        [each.masked if each is not None else None for each in emails],
        [each.digest if each is not None else None for each in emails],
        [each.email_verified for each in accounts],
        [each.sealed if each is not None else None for each in phones],
        [each.masked if each is not None else None for each in phones],
        [each.digest if each is not None else None for each in phones],
        [each.locale for each in accounts],
        [each.time_zone for each in accounts],
        [each.is_sso for each in accounts],
        [each.is_active for each in accounts],
        [each.version for each in accounts],
        [each.created_at for each in accounts],
        [dict(each.versions) for each in accounts],
        [each.sso_since for each in accounts],
    )


def _columns(contact: Contact | None) -> tuple[str | None, str | None, str | None]:
    return (contact.sealed, contact.masked, contact.digest) if contact is not None else (None, None, None)


async def account_ids_after(
    conn: Connection, tenant_id: UUID, after: str | None, *, role: Role | None = None, limit: int
) -> list[str]:
    """A page of the tenant's account ids, in their order."""
    rows = await conn.fetch(
        """
        SELECT account_id FROM policy.accounts
         WHERE tenant_id = $1 AND account_id > $2 AND ($3::text IS NULL OR role = $3)
         ORDER BY account_id LIMIT $4
        """,
        tenant_id,
        after or "",
        role.value if role is not None else None,
        limit,
    )
    return [row["account_id"] for row in rows]


async def admin_ids(conn: Connection, tenant_id: UUID, *, limit: int) -> list[str]:
    """Active admins that some mail can reach, in the order of their ids."""
    rows = await conn.fetch(
        """
        SELECT account_id FROM policy.accounts
         WHERE tenant_id = $1 AND role = 'admin' AND is_active AND email_sealed IS NOT NULL
           AND (email_verified OR email_proved_at IS NOT NULL)
         ORDER BY account_id LIMIT $2
        """,
        tenant_id,
        limit,
    )
    return [row["account_id"] for row in rows]


async def has_active_admin(conn: Connection, tenant_id: UUID) -> bool:
    """Whether there is anybody who could be locked out of the helpdesk's administration."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM policy.accounts WHERE tenant_id = $1 AND role = 'admin' AND is_active)", tenant_id
    )
    return found


async def admins_at_ease(conn: Connection, tenant_id: UUID, now: dt.datetime, *, limit: int) -> list[str]:
    """Active admins of whom a requirement asks nothing new: with a factor, through SSO, or exempt at ``now``."""
    rows = await conn.fetch(
        """
        SELECT a.account_id
          FROM policy.accounts AS a
          LEFT JOIN LATERAL (
               SELECT exempt_until FROM policy.enforcements AS own
                WHERE own.tenant_id = a.tenant_id AND own.account_id = a.account_id OFFSET 0) AS e ON true
          LEFT JOIN LATERAL (
               SELECT held_factors FROM otp.account_facts AS own
                WHERE own.tenant_id = a.tenant_id AND own.account_id = a.account_id OFFSET 0) AS f ON true
         WHERE a.tenant_id = $1 AND a.role = 'admin' AND a.is_active
           AND (a.is_sso OR $2 < e.exempt_until OR f.held_factors > 0)
         ORDER BY a.account_id LIMIT $3
        """,
        tenant_id,
        now,
        limit,
    )
    return [row["account_id"] for row in rows]


async def record_password_change(conn: Connection, tenant_id: UUID, account_id: str, changed_at: dt.datetime) -> bool:
    """Remember the newest change; whether this was one. It never goes back, in whatever order the news arrives."""
    status = await conn.execute(
        """
        UPDATE policy.accounts SET password_changed_at = $3
         WHERE tenant_id = $1 AND account_id = $2 AND (password_changed_at IS NULL OR password_changed_at < $3)
        """,
        tenant_id,
        account_id,
        changed_at,
    )
    return status != "UPDATE 0"


async def record_versions(
    conn: Connection, tenant_id: UUID, account_id: str, version: int | None, versions: Mapping[str, int]
) -> None:
    """By which versions the account's facts were told, where one was told that is kept apart from the others."""
    await conn.execute(
        "UPDATE policy.accounts SET version = $3, versions = $4 WHERE tenant_id = $1 AND account_id = $2",
        tenant_id,
        account_id,
        version,
        dict(versions),
    )


async def prove_mailbox(conn: Connection, tenant_id: UUID, account_id: str, digest: str, now: dt.datetime) -> bool:
    """A mailed code came back: the address is verified, if it is still the account's; whether it is."""
    status = await conn.execute(
        """
        UPDATE policy.accounts SET email_verified = true, email_proved_at = coalesce(email_proved_at, $4)
         WHERE tenant_id = $1 AND account_id = $2 AND email_digest = $3
        """,
        tenant_id,
        account_id,
        digest,
        now,
    )
    return status != "UPDATE 0"
