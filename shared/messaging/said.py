"""What a transaction leaves for others, in one statement: the answers that it gave, the messages about what it did."""

from collections.abc import Sequence

from shared.db.connection import Connection
from shared.messaging.answers import ANSWER_LIFETIME, AnsweredMeanwhile, StoredAnswer
from shared.messaging.outbox import STORED, OutboxRow, as_stored, columns


async def insert_said(conn: Connection, answers: Sequence[StoredAnswer], rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """Store answers with the decisions that they tell, each key once, and messages as `insert_messages` does.

    An answer whose time is over gives way. Raises `AnsweredMeanwhile`: the transaction rolls back and starts again.
    """
    found = await conn.fetchrow(
        f"""
        WITH stored AS ({STORED}), answered AS (
          INSERT INTO bus.answers AS a (tenant_id, scope, key, fingerprint, reply, holds_secret, account_id)
          SELECT *
            FROM unnest($7::uuid[], $8::text[], $9::text[], $10::bytea[], $11::bytea[], $12::boolean[], $13::text[])
              ON CONFLICT (tenant_id, scope, key) DO UPDATE
             SET fingerprint = excluded.fingerprint, reply = excluded.reply, holds_secret = excluded.holds_secret,
                 account_id = excluded.account_id, answered_at = now()
           WHERE a.answered_at < now() - $14::interval
          RETURNING true
        )
        SELECT (SELECT count(*) FROM answered) AS answers,
               ARRAY(SELECT message_id FROM stored WHERE has_own_queue) AS own
        """,  # noqa: S608 - a constant
        *columns(rows),
        [answer.tenant_id for answer in answers],
        [answer.scope for answer in answers],
        [answer.key for answer in answers],
        [answer.fingerprint for answer in answers],
        [answer.reply for answer in answers],
        [answer.holds_secret for answer in answers],
        [answer.account_id for answer in answers],
        ANSWER_LIFETIME,
    )
    assert found is not None  # a count
    if found["answers"] < len(answers):
        raise AnsweredMeanwhile
    return as_stored(rows, found["own"])
