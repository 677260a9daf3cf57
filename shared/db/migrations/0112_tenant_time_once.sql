-- What time it is for a tenant is asked once for each whose timers are claimed together, not once for each timer: that was a
-- fifth of what a claim of a thousand cost. And one tenant's come after the other's, as they are handled.
SET ROLE deskfactor_owner;

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
  ), fired AS (
    UPDATE policy.timers AS t SET state = 'fired', ended_at = now()
      FROM due WHERE t.timer_id = due.timer_id
    RETURNING t.timer_id, t.tenant_id, t.account_id, t.kind, t.payload, t.correlation_id, t.causation_id, t.due_at
  ), told AS (
    SELECT f.*, CASE WHEN row_number() OVER in_order = 1 THEN policy.tenant_now(f.tenant_id) END AS first_told
      FROM fired AS f WINDOW in_order AS (PARTITION BY f.tenant_id ORDER BY f.due_at, f.timer_id)
  )
  SELECT timer_id, tenant_id, account_id, kind, payload, correlation_id, causation_id, due_at, now(),
         max(first_told) OVER (PARTITION BY tenant_id)
    FROM told ORDER BY tenant_id, due_at, timer_id;
END $$;
