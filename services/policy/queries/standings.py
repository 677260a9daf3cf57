"""Accounts with all that is decided about them by."""

from collections.abc import Sequence
from uuid import UUID

from services.policy.domain.account import Account
from services.policy.domain.standing import Standing
from shared.contracts.policy import Policy
from shared.contracts.requirement import COVERED, EARLIER, Covered, EarlierPolicy
from shared.contracts.types import Channel, Contact, Role
from shared.db.connection import Connection, Record

_MOST_CONTACTS = 100  # of an account's factors, which are fewer


async def read_standing(conn: Connection, tenant_id: UUID, account_id: str | None) -> Standing | None:
    """One account; None: there is no such account. After its lock this is the truth until the commit."""
    found = await read_standings(conn, tenant_id, [account_id]) if account_id is not None else []
    return found[0] if found else None


async def read_standings(conn: Connection, tenant_id: UUID, account_ids: Sequence[str]) -> list[Standing]:
    """Those of these accounts that there are, in the order of their ids.

    Each finds its own rows by its key (``LIMIT 1``): joined, the planner would rather read those of the whole tenant
    for each, which for an import or a policy of many accounts is nearly all that it takes. What the policy says is in
    the first row, and of a role in the role's first: it is long, and would be read once for each account.
    """
    rows = await conn.fetch(
        """
        SELECT a.account_id, a.role, a.email_sealed, a.email_masked, a.email_digest, a.email_verified,
               a.versions, a.email_proved_at, a.email_changed_at, a.former_email, a.former_email_until, a.phone_sealed,
               a.phone_masked, a.phone_digest, a.locale, a.time_zone, a.is_sso, a.is_active, a.version,
               a.password_changed_at, a.left_sso_at, a.role_changed_at, a.created_at,
               a.sso_since, a.deactivated_at, a.was_overdue, a.restarted_at, a.returned_at,
               CASE WHEN lag(a.account_id) OVER by_id IS NULL THEN p.policy END AS policy,
               CASE WHEN lag(a.account_id) OVER by_id IS NULL THEN p.earlier END AS earlier_policies,
               CASE WHEN lag(a.account_id) OVER of_role IS NULL THEN p.requirements -> a.role END AS covered,
               coalesce(p.version, 0) AS policy_version, p.saved_by, p.updated_at AS policy_saved_at,
               coalesce(e.is_required, false) AS is_required, e.required_since, e.required_until,
               coalesce(e.was_overdue, false) AS was_individually_overdue, e.resumed_at,
               e.exempt_until, e.extended_until,
               e.must_enrol_since, e.announced_at, e.announced_deadline, e.locked_out_at,
               f.last_success_at, f.first_enrolled_at IS NOT NULL AS was_satisfied,
               coalesce(f.held_factors, 0) AS held_factors,
               coalesce(f.has_email_factor, false) AS has_email_factor
          FROM policy.accounts AS a
          LEFT JOIN policy.policies AS p ON p.tenant_id = a.tenant_id
          LEFT JOIN LATERAL (
               SELECT is_required, required_since, required_until, was_overdue, resumed_at, exempt_until,
                      extended_until, must_enrol_since, announced_at, announced_deadline, locked_out_at
                 FROM policy.enforcements AS own
                WHERE own.tenant_id = a.tenant_id AND own.account_id = a.account_id LIMIT 1) AS e ON true
          LEFT JOIN LATERAL (
               SELECT last_success_at, first_enrolled_at, held_factors, has_email_factor
                 FROM otp.account_facts AS own
                WHERE own.tenant_id = a.tenant_id AND own.account_id = a.account_id
                  AND NOT EXISTS (SELECT FROM policy.erasures AS gone
                                   WHERE gone.tenant_id = a.tenant_id AND gone.account_id = a.account_id
                                     AND gone.cleared_at IS NULL)  -- what is there is still the one's before
                LIMIT 1) AS f ON true
         WHERE a.tenant_id = $1 AND a.account_id = ANY ($2::text[])
        WINDOW by_id AS (ORDER BY a.account_id), of_role AS (PARTITION BY a.role ORDER BY a.account_id)
         ORDER BY a.account_id
        """,
        tenant_id,
        list(account_ids),
    )
    stored = rows[0]["policy"] if rows else None  # of all
    policy = Policy.model_validate(stored) if stored is not None else Policy()
    earlier = EARLIER.validate_python(rows[0]["earlier_policies"] or ()) if rows else ()
    covered: dict[str, Covered] = {
        row["role"]: COVERED.validate_python(row["covered"]) for row in rows if row["covered"] is not None
    }
    return [_standing(row, policy, earlier, covered.get(row["role"])) for row in rows]


async def read_factor_contacts(conn: Connection, tenant_id: UUID, account_id: str) -> list[tuple[Channel, Contact]]:
    """Where the account's held factors get their codes: it hears of things there, too."""
    return (await read_contacts_of(conn, tenant_id, [account_id])).get(account_id, [])


async def read_contacts_of(
    conn: Connection, tenant_id: UUID, account_ids: Sequence[str]
) -> dict[str, list[tuple[Channel, Contact]]]:
    """Where held factors get their codes, by account; without those that have none. By key, as `read_standings`."""
    rows = await conn.fetch(
        """
        SELECT wanted.account_id, f.channel, f.contact_sealed, f.contact_masked, f.contact_digest
          FROM unnest($2::text[]) AS wanted (account_id)
         CROSS JOIN LATERAL (
               SELECT factor_id, channel, contact_sealed, contact_masked, contact_digest
                 FROM (SELECT factor_id, channel, contact_sealed, contact_masked, contact_digest
                         FROM otp.factor_contacts AS own
                        WHERE own.tenant_id = $1 AND own.account_id = wanted.account_id OFFSET 0
                      ) AS own  -- else a tenant's, in the order asked for
                WHERE NOT EXISTS (SELECT FROM policy.erasures AS gone
                                   WHERE gone.tenant_id = $1 AND gone.account_id = wanted.account_id
                                     AND gone.cleared_at IS NULL)
                ORDER BY factor_id LIMIT $3) AS f
         ORDER BY wanted.account_id, f.factor_id
        """,
        tenant_id,
        list(account_ids),
        _MOST_CONTACTS,
    )
    contacts: dict[str, list[tuple[Channel, Contact]]] = {}
    for row in rows:
        contacts.setdefault(row["account_id"], []).append((Channel(row["channel"]), _known_contact(row, "contact")))
    return contacts


def _standing(row: Record, policy: Policy, earlier: tuple[EarlierPolicy, ...], covered: Covered | None) -> Standing:
    return Standing(
        account=_account(row),
        policy=policy,
        policy_version=row["policy_version"],
        policy_saved_by=row["saved_by"],
        policy_saved_at=row["policy_saved_at"],
        covered=covered,
        earlier=earlier,
        is_individually_required=row["is_required"],
        individually_required_since=row["required_since"],
        individually_required_until=row["required_until"],
        was_individually_overdue=row["was_individually_overdue"],
        individually_resumed_at=row["resumed_at"],
        exempt_until=row["exempt_until"],
        extended_until=row["extended_until"],
        must_enrol_since=row["must_enrol_since"],
        announced_at=row["announced_at"],
        announced_deadline=row["announced_deadline"],
        locked_out_at=row["locked_out_at"],
        was_satisfied=row["was_satisfied"],
        last_success_at=row["last_success_at"],
        held_factors=row["held_factors"],
        has_email_factor=row["has_email_factor"],
    )


def _account(row: Record) -> Account:
    return Account(
        account_id=row["account_id"],
        created_at=row["created_at"],
        role=Role(row["role"]),
        email=_contact(row, "email"),
        email_verified=row["email_verified"],
        email_proved_at=row["email_proved_at"],
        email_changed_at=row["email_changed_at"],
        former_email=Contact.model_validate(row["former_email"]) if row["former_email"] is not None else None,
        former_email_until=row["former_email_until"],
        phone=_contact(row, "phone"),
        locale=row["locale"],
        time_zone=row["time_zone"],
        is_sso=row["is_sso"],
        is_active=row["is_active"],
        version=row["version"],
        versions=row["versions"],
        password_changed_at=row["password_changed_at"],
        left_sso_at=row["left_sso_at"],
        sso_since=row["sso_since"],
        role_changed_at=row["role_changed_at"],
        deactivated_at=row["deactivated_at"],
        was_overdue=row["was_overdue"],
        restarted_at=row["restarted_at"],
        returned_at=row["returned_at"],
    )


def _contact(row: Record, name: str) -> Contact | None:
    return _known_contact(row, name) if row[f"{name}_sealed"] is not None else None


def _known_contact(row: Record, name: str) -> Contact:
    return Contact(sealed=row[f"{name}_sealed"], masked=row[f"{name}_masked"], digest=row[f"{name}_digest"])
