-- Claims that read no further back than they are told (shared/db/low_water.py): rows that are done with stay in the index as
-- long as some transaction could still want to see them. Beside the functions of 0003 and 0005, which services of the
-- release before still call.
SET ROLE deskfactor_owner;

CREATE FUNCTION bus.claim_messages_since(
  of_lane text, at_most integer, by_owner bigint, lease interval, killer_after integer, reach interval
) RETURNS SETOF bus.lane_messages LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT id FROM bus.lane_messages
     WHERE lane = of_lane AND dead_at IS NULL AND NOT is_suspect AND available_at BETWEEN now() - reach AND now()
       AND (lease_until IS NULL OR lease_until <= now())
     ORDER BY available_at, id LIMIT at_most FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE bus.lane_messages AS m
     SET lease_owner = by_owner, lease_until = now() + lease, deliveries = m.deliveries + 1,
         is_suspect = m.deliveries + 1 >= killer_after
    FROM due WHERE m.id = due.id
  RETURNING m.*;
END $$;

CREATE FUNCTION policy.claim_timers_since(host_now timestamptz, at_most integer, reach interval)
RETURNS TABLE (timer_id uuid, tenant_id uuid, account_id text, kind text, payload jsonb, correlation_id uuid,
               causation_id uuid, due_at timestamptz, fired_at timestamptz, tenant_now timestamptz)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT timer_id FROM policy.timers
     WHERE state = 'pending' AND due_at BETWEEN least(now(), host_now) - reach AND least(now(), host_now)
     ORDER BY due_at, timer_id LIMIT at_most FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE policy.timers AS t SET state = 'fired', ended_at = now()
    FROM due WHERE t.timer_id = due.timer_id
  RETURNING t.timer_id, t.tenant_id, t.account_id, t.kind, t.payload, t.correlation_id, t.causation_id, t.due_at,
            now(), policy.tenant_now(t.tenant_id);
END $$;

CREATE FUNCTION policy.next_timer_since(reach interval) RETURNS timestamptz LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  RETURN (SELECT due_at FROM policy.timers WHERE state = 'pending' AND due_at >= now() - reach ORDER BY due_at LIMIT 1);
END $$;
