-- Of timers that are due at the same instant, as all of a helpdesk's are at its deadline, one tenant's are claimed after the
-- other's, not twenty tenants' at random: what they set off is handled by pages of one tenant, and a page is a handful of
-- statements however many accounts are on it.
SET ROLE deskfactor_owner;

DROP INDEX policy.timers_due;
CREATE INDEX timers_due ON policy.timers (due_at, tenant_id, timer_id) WHERE state = 'pending' AND due_at IS NOT NULL;

CREATE OR REPLACE FUNCTION policy.claim_timers_since(host_now timestamptz, at_most integer, reach interval)
RETURNS TABLE (timer_id uuid, tenant_id uuid, account_id text, kind text, payload jsonb, correlation_id uuid,
               causation_id uuid, due_at timestamptz, fired_at timestamptz, tenant_now timestamptz)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT timer_id FROM policy.timers
     WHERE state = 'pending' AND due_at BETWEEN least(now(), host_now) - reach AND least(now(), host_now)
     ORDER BY due_at, tenant_id, timer_id LIMIT at_most FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE policy.timers AS t SET state = 'fired', ended_at = now()
    FROM due WHERE t.timer_id = due.timer_id
  RETURNING t.timer_id, t.tenant_id, t.account_id, t.kind, t.payload, t.correlation_id, t.causation_id, t.due_at,
            now(), policy.tenant_now(t.tenant_id);
END $$;
