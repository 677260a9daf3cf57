"""The codes that were sent; only digests are here."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from services.otp_worker.domain.sending import SentCode
from services.otp_worker.queries.challenges import ChallengeKey
from shared.contracts.types import ChallengeId, FactorId
from shared.db.connection import Connection


async def load_codes(conn: Connection, keys: Sequence[ChallengeKey]) -> Mapping[ChallengeKey, list[SentCode]]:
    """The codes of these challenges, used ones too; at most four each.

    Each challenge's are found by its key (``OFFSET 0``): joined, every code of the tenants may be read, where the
    database does not know yet how many there are.
    """
    rows = await conn.fetch(
        """
        SELECT c.tenant_id, c.challenge_id, c.code_id, c.factor_id, c.digest, c.created_at, c.expires_at, c.used_at
          FROM unnest($1::uuid[], $2::uuid[]) AS wanted (tenant_id, challenge_id)
         CROSS JOIN LATERAL (
               SELECT tenant_id, challenge_id, code_id, factor_id, digest, created_at, expires_at, used_at
                 FROM otp.codes AS own
                WHERE own.tenant_id = wanted.tenant_id AND own.challenge_id = wanted.challenge_id OFFSET 0) AS c
        """,
        [tenant_id for tenant_id, _ in keys],
        [challenge_id for _, challenge_id in keys],
    )
    found: dict[ChallengeKey, list[SentCode]] = defaultdict(list)
    for row in rows:
        found[row["tenant_id"], ChallengeId(row["challenge_id"])].append(
            SentCode(
                id=row["code_id"],
                factor_id=FactorId(row["factor_id"]) if row["factor_id"] is not None else None,
                digest=row["digest"],
                created_at=row["created_at"],
                expires_at=row["expires_at"],
                used_at=row["used_at"],
            )
        )
    return found


async def insert_codes(conn: Connection, sent: Sequence[tuple[UUID, ChallengeId, SentCode]]) -> None:
    """Store the digests of codes that leave with this commit."""
    await conn.execute(
        """
        INSERT INTO otp.codes (tenant_id, challenge_id, code_id, factor_id, digest, created_at, expires_at)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[],
                             $7::timestamptz[])
        """,
        [tenant_id for tenant_id, _, _ in sent],
        [challenge_id for _, challenge_id, _ in sent],
        [code.id for _, _, code in sent],
        [code.factor_id for _, _, code in sent],
        [code.digest for _, _, code in sent],
        [code.created_at for _, _, code in sent],
        [code.expires_at for _, _, code in sent],
    )


async def spend_codes(conn: Connection, keys: Sequence[ChallengeKey], at: Sequence[dt.datetime]) -> None:
    """One right code uses up all of its challenge. ``= ANY``: to be looked up."""
    await conn.execute(
        """
        UPDATE otp.codes AS c SET used_at = spent.at
          FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS spent (tenant_id, challenge_id, at)
         WHERE c.tenant_id = ANY (ARRAY[spent.tenant_id]) AND c.challenge_id = ANY (ARRAY[spent.challenge_id])
           AND c.used_at IS NULL
        """,
        [tenant_id for tenant_id, _ in keys],
        [challenge_id for _, challenge_id in keys],
        list(at),
    )
