"""What an admin's action is judged by, read in the transaction that does it: through views that their owners publish,
so that every service that does such a thing asks the same question.
"""

from collections.abc import Sequence
from uuid import UUID

from shared.contracts.tenant import AdminProof
from shared.contracts.types import Acting, ChallengeId, Purpose, Role
from shared.db.connection import Connection, Record
from shared.rules.admin_action import ActionFacts, AdminFacts, StepUp


async def read_action_facts(conn: Connection, tenant_id: UUID, target_id: str, acting: Acting | None) -> ActionFacts:
    """Everybody who has to do with an action on ``target_id``."""
    named = [(acting.actor, acting.proof), (acting.approver, acting.approver_proof)] if acting is not None else []
    people = await _people(conn, tenant_id, [(target_id, None), *((who, proof) for who, proof in named if who)])
    admin_proof = await conn.fetchval(
        "SELECT settings ->> 'admin_proof' FROM gateway.tenant_profiles WHERE tenant_id = $1", tenant_id
    )
    target, *others = people
    return ActionFacts(
        admin_proof=AdminProof(admin_proof or AdminProof.OPTIONAL),
        target_id=target_id,
        target_role=target.role,
        actor=others[0] if others else None,
        approver=others[1] if len(others) > 1 else None,
    )


async def _people(
    conn: Connection, tenant_id: UUID, named: Sequence[tuple[str, ChallengeId | None]]
) -> list[AdminFacts]:
    """Each of those named with the challenge offered, in their order; each is found by its key (``OFFSET 0``)."""
    rows = await conn.fetch(
        """
        SELECT named.account_id, f.role, coalesce(f.is_active, false) AS is_active,
               s.purpose, s.verified_by, s.verified_at, s.is_of_this_epoch
          FROM unnest($2::text[], $3::uuid[]) WITH ORDINALITY AS named (account_id, proof, position)
          LEFT JOIN LATERAL (
               SELECT role, is_active FROM policy.login_facts AS own
                WHERE own.tenant_id = $1 AND own.account_id = named.account_id OFFSET 0) AS f ON true
          LEFT JOIN LATERAL (
               SELECT purpose, verified_by, verified_at, is_of_this_epoch FROM otp.step_ups AS own
                WHERE own.tenant_id = $1 AND own.challenge_id = named.proof AND own.account_id = named.account_id
               OFFSET 0) AS s ON true
         ORDER BY named.position
        """,
        tenant_id,
        [account_id for account_id, _ in named],
        [proof for _, proof in named],
    )
    return [_person(row) for row in rows]


def _person(row: Record) -> AdminFacts:
    step_up = None
    if row["purpose"] is not None:
        step_up = StepUp(
            purpose=Purpose(row["purpose"]),
            verified_by=row["verified_by"],
            verified_at=row["verified_at"],
            is_of_this_epoch=row["is_of_this_epoch"],
        )
    return AdminFacts(
        account_id=row["account_id"],
        role=Role(row["role"]) if row["role"] is not None else None,
        is_active=row["is_active"],
        step_up=step_up,
    )
