"""Accounts: what policy and the gateway publish of them, and our own row."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from services.otp_worker.domain.account import Account, AccountState, OpenRecovery, Requirement
from services.otp_worker.domain.sending import Budget
from services.otp_worker.domain.tally import tally
from services.otp_worker.domain.throttle import Throttle
from shared.contracts.policy import Policy
from shared.contracts.requirement import COVERED, EARLIER
from shared.contracts.types import Contact, RecoveryId, Role
from shared.db.connection import Connection, Record

Key = tuple[UUID, str]

WANTED = "unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, account_id)"
"""Who is asked for, as the first two parameters of a statement. What follows looks them up by their keys."""
ACCOUNT = """
               f.*, now() AS system_now, t.*, a.*, r.*, k.*, d.*,
               greatest(f.told_password_changed_at, a.own_password_changed_at) AS password_changed_at
"""
"""What is read of an account, of `SOURCES`."""
SOURCES = """
         CROSS JOIN LATERAL (
               SELECT own.tenant_id, own.account_id, own.tenant_now, own.role, own.is_active,
                      greatest(own.created_at, own.left_sso_at, own.role_changed_at, own.restarted_at) AS subject_since,
                      own.email_sealed, own.email_masked, own.email_digest, own.email_verified, own.email_proved_at,
                      own.email_changed_at,
                      CASE WHEN own.former_email_until > own.tenant_now THEN own.former_email END AS former_email,
                      own.phone_sealed, own.phone_masked, own.phone_digest, own.locale, own.time_zone,
                      own.password_changed_at AS told_password_changed_at,
                      own.policy::text AS policy, own.covered, own.earlier_policies, own.is_individually_required,
                      own.individually_required_since, own.exempt_until, own.extended_until, own.must_enrol_since,
                      own.notice_from, own.sso_since
                 FROM policy.login_facts AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.account_id = wanted.account_id OFFSET 0) AS f
          LEFT JOIN LATERAL (
               SELECT own.name AS tenant_name, own.settings::text AS tenant_settings
                 FROM gateway.tenant_profiles AS own WHERE own.tenant_id = wanted.tenant_id OFFSET 0) AS t ON true
          LEFT JOIN LATERAL (
               SELECT own.factor_epoch, own.password_changed_at AS own_password_changed_at, own.first_enrolled_at,
                      own.last_success_at, own.failures_in_row, own.throttled_until, own.day_started_at,
                      own.day_failures, own.month_started_at, own.month_failures, own.backup_day_started_at,
                      own.backup_day_failures, own.key_day_started_at, own.key_day_failures,
                      own.recovery_code_day_started_at, own.recovery_code_day_failures, own.mails_day_started_at,
                      own.day_mails, own.sms_day_started_at, own.day_sms, own.backup_set_id, own.backup_generated_at,
                      own.backup_acknowledged_at, own.recovery_key_made_at, own.recovery_key_acknowledged_at,
                      own.proofs_from, own.carried_proof_id, own.disputed_at
                 FROM otp.accounts AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.account_id = wanted.account_id OFFSET 0) AS a ON true
          LEFT JOIN LATERAL (
               SELECT own.recovery_id, own.ready_at AS recovery_ready_at
                 FROM policy.open_recoveries AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.account_id = wanted.account_id
                  AND (own.state = 'waiting' OR own.draft_until > f.tenant_now) OFFSET 0) AS r ON true
          LEFT JOIN LATERAL (
               SELECT own.wrapped AS tenant_key
                 FROM otp.tenant_keys AS own WHERE own.tenant_id = wanted.tenant_id OFFSET 0) AS k ON true
          LEFT JOIN LATERAL (
               SELECT own.wrapped AS account_key
                 FROM otp.account_keys AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.account_id = wanted.account_id OFFSET 0) AS d ON true
"""
"""Each found by its key (``OFFSET 0``). Joined, every id would be looked for with every tenant that is asked for."""
NOT_ERASED = """
               NOT EXISTS (SELECT FROM policy.erased_accounts AS gone
                            WHERE gone.tenant_id = wanted.tenant_id AND gone.account_id = wanted.account_id
                              AND NOT gone.is_cleared OFFSET 0)  -- what we have is of who had the id before
"""


async def load_accounts(conn: Connection, keys: Sequence[Key]) -> dict[Key, Account]:
    """These accounts as they are now; read after their locks. What policy does not know is not in the answer."""
    rows = await conn.fetch(
        f"SELECT {ACCOUNT} FROM {WANTED} {SOURCES} WHERE {NOT_ERASED}",  # noqa: S608 - constants
        [tenant_id for tenant_id, _ in keys],
        [account_id for _, account_id in keys],
    )
    return accounts_of(rows)


def accounts_of(rows: Iterable[Record]) -> dict[Key, Account]:
    """Rows of `ACCOUNT` as accounts."""
    parsed = _Parsed()
    accounts = (_account(row, parsed) for row in rows)
    return {account.key: account for account in accounts}


async def save_accounts(conn: Connection, states: Mapping[Key, AccountState]) -> None:
    """Write whole rows back; the caller holds the accounts' locks. Makes those that are not there."""
    keys, values = list(states), list(states.values())
    await conn.execute(
        """
        INSERT INTO otp.accounts AS a (
               tenant_id, account_id, factor_epoch, password_changed_at, first_enrolled_at, last_success_at,
               failures_in_row, throttled_until, day_started_at, day_failures, month_started_at, month_failures,
               backup_day_started_at, backup_day_failures, mails_day_started_at, day_mails, sms_day_started_at, day_sms,
               backup_set_id, backup_generated_at, backup_acknowledged_at,
               key_day_started_at, key_day_failures, recovery_code_day_started_at, recovery_code_day_failures,
               recovery_key_made_at, recovery_key_acknowledged_at, proofs_from, carried_proof_id, disputed_at)
        SELECT * FROM unnest(
               $1::uuid[], $2::text[], $3::int[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[],
               $7::int[], $8::timestamptz[], $9::timestamptz[], $10::int[], $11::timestamptz[], $12::int[],
               $13::timestamptz[], $14::int[], $15::timestamptz[], $16::int[], $17::timestamptz[], $18::int[],
               $19::uuid[], $20::timestamptz[], $21::timestamptz[],
               $22::timestamptz[], $23::int[], $24::timestamptz[], $25::int[], $26::timestamptz[], $27::timestamptz[],
               $28::timestamptz[], $29::uuid[], $30::timestamptz[])
            ON CONFLICT (tenant_id, account_id) DO UPDATE
           SET factor_epoch = excluded.factor_epoch, password_changed_at = excluded.password_changed_at,
               first_enrolled_at = excluded.first_enrolled_at, last_success_at = excluded.last_success_at,
               failures_in_row = excluded.failures_in_row, throttled_until = excluded.throttled_until,
               day_started_at = excluded.day_started_at, day_failures = excluded.day_failures,
               month_started_at = excluded.month_started_at, month_failures = excluded.month_failures,
               backup_day_started_at = excluded.backup_day_started_at,
               backup_day_failures = excluded.backup_day_failures,
               mails_day_started_at = excluded.mails_day_started_at, day_mails = excluded.day_mails,
               sms_day_started_at = excluded.sms_day_started_at, day_sms = excluded.day_sms,
               backup_set_id = excluded.backup_set_id, backup_generated_at = excluded.backup_generated_at,
               backup_acknowledged_at = excluded.backup_acknowledged_at,
               key_day_started_at = excluded.key_day_started_at, key_day_failures = excluded.key_day_failures,
               recovery_code_day_started_at = excluded.recovery_code_day_started_at,
               recovery_code_day_failures = excluded.recovery_code_day_failures,
               recovery_key_made_at = excluded.recovery_key_made_at,
               recovery_key_acknowledged_at = excluded.recovery_key_acknowledged_at,
               proofs_from = excluded.proofs_from, carried_proof_id = excluded.carried_proof_id,
               disputed_at = excluded.disputed_at
        """,
        [tenant_id for tenant_id, _ in keys],
        [account_id for _, account_id in keys],
        [state.factor_epoch for state in values],
        [state.password_changed_at for state in values],
        [state.first_enrolled_at for state in values],
        [state.last_success_at for state in values],
        [state.throttle.failures_in_row for state in values],
        [state.throttle.throttled_until for state in values],
        [state.throttle.day.started_at for state in values],
        [state.throttle.day.count for state in values],
        [state.throttle.month.started_at for state in values],
        [state.throttle.month.count for state in values],
        [state.throttle.backup_day.started_at for state in values],
        [state.throttle.backup_day.count for state in values],
        [state.budget.mails.started_at for state in values],
        [state.budget.mails.count for state in values],
        [state.budget.sms.started_at for state in values],
        [state.budget.sms.count for state in values],
        [state.backup_set_id for state in values],
        [state.backup_generated_at for state in values],
        [state.backup_acknowledged_at for state in values],
        [state.throttle.key_day.started_at for state in values],
        [state.throttle.key_day.count for state in values],
        [state.throttle.recovery_code_day.started_at for state in values],
        [state.throttle.recovery_code_day.count for state in values],
        [state.recovery_key_made_at for state in values],
        [state.recovery_key_acknowledged_at for state in values],
        [state.proofs_from for state in values],
        [state.carried_proof_id for state in values],
        [state.disputed_at for state in values],
    )


def contact(row: Record, prefix: str) -> Contact | None:
    """The contact in three columns of a row."""
    sealed = row[f"{prefix}_sealed"]
    if sealed is None:
        return None
    return Contact(sealed=sealed, masked=row[f"{prefix}_masked"], digest=row[f"{prefix}_digest"])


@dataclass(frozen=True, slots=True)
class _Parsed:
    """What all accounts of a tenant share: parsed once, however long the list."""

    policies: dict[UUID, Policy] = field(default_factory=dict)
    settings: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    def take(self, row: Record) -> None:
        """The row's tenant, if it is new."""
        tenant_id, policy, settings = row["tenant_id"], row["policy"], row["tenant_settings"]
        if tenant_id not in self.policies:
            self.policies[tenant_id] = Policy.model_validate_json(policy) if policy is not None else Policy()
            self.settings[tenant_id] = json.loads(settings) if settings is not None else {}


def _account(row: Record, parsed: _Parsed) -> Account:
    parsed.take(row)
    settings = parsed.settings[row["tenant_id"]]
    return Account(
        tenant_id=row["tenant_id"],
        id=row["account_id"],
        now=row["tenant_now"],
        system_now=row["system_now"],
        policy=parsed.policies[row["tenant_id"]],
        role=Role(row["role"]),
        is_active=row["is_active"],
        sso_since=row["sso_since"],
        subject_since=row["subject_since"],
        requirement=Requirement(
            covered=COVERED.validate_python(row["covered"]) if row["covered"] is not None else None,
            earlier=EARLIER.validate_python(row["earlier_policies"] or ()),
            is_individually_required=row["is_individually_required"],
            individually_required_since=row["individually_required_since"],
            exempt_until=row["exempt_until"],
            extended_until=row["extended_until"],
            must_enrol_since=row["must_enrol_since"],
            notice_from=row["notice_from"],
        ),
        email=contact(row, "email"),
        email_verified=row["email_verified"],
        email_proved_at=row["email_proved_at"],
        email_changed_at=row["email_changed_at"],
        former_email=Contact.model_validate(row["former_email"]) if row["former_email"] is not None else None,
        phone=contact(row, "phone"),
        language=row["locale"],
        time_zone=row["time_zone"],
        password_changed_at=row["password_changed_at"],
        tenant_name=row["tenant_name"] or "Deskfactor",
        tenant_colour=settings.get("colour"),
        identity_providers=tuple(settings.get("identity_providers") or ()),
        domain=_domain(settings),
        state=_state(row) if row["factor_epoch"] is not None else AccountState(),
        recovery=_recovery(row),
        tenant_key=row["tenant_key"],
        account_key=row["account_key"],
    )


def _recovery(row: Record) -> OpenRecovery | None:
    if row["recovery_id"] is None:
        return None
    return OpenRecovery(id=RecoveryId(row["recovery_id"]), ready_at=row["recovery_ready_at"])


def _state(row: Record) -> AccountState:
    return AccountState(
        factor_epoch=row["factor_epoch"],
        password_changed_at=row["own_password_changed_at"],
        first_enrolled_at=row["first_enrolled_at"],
        last_success_at=row["last_success_at"],
        throttle=Throttle(
            failures_in_row=row["failures_in_row"],
            throttled_until=row["throttled_until"],
            day=tally(row["day_started_at"], row["day_failures"]),
            month=tally(row["month_started_at"], row["month_failures"]),
            backup_day=tally(row["backup_day_started_at"], row["backup_day_failures"]),
            key_day=tally(row["key_day_started_at"], row["key_day_failures"]),
            recovery_code_day=tally(row["recovery_code_day_started_at"], row["recovery_code_day_failures"]),
        ),
        budget=Budget(
            mails=tally(row["mails_day_started_at"], row["day_mails"]),
            sms=tally(row["sms_day_started_at"], row["day_sms"]),
        ),
        backup_set_id=row["backup_set_id"],
        backup_generated_at=row["backup_generated_at"],
        backup_acknowledged_at=row["backup_acknowledged_at"],
        recovery_key_made_at=row["recovery_key_made_at"],
        recovery_key_acknowledged_at=row["recovery_key_acknowledged_at"],
        proofs_from=row["proofs_from"],
        carried_proof_id=row["carried_proof_id"],
        disputed_at=row["disputed_at"],
    )


def _domain(settings: Mapping[str, Any]) -> str | None:
    """The site that codes are typed on: what the tenant says, else where it lets people return to."""
    if domain := settings.get("domain"):
        return str(domain)
    for url in settings.get("return_urls") or ():
        if host := urlsplit(str(url)).hostname:
            return host
    return None
