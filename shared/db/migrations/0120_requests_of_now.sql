-- Requests and replies are read as far back as somebody may still wait for them: those that are done with stay in their
-- indexes as long as some transaction could still want to see them, and a login by the second route would read over all
-- of them. The functions take and give what they did, so services of the release before call them, too.
SET ROLE deskfactor_owner;

DROP INDEX bus.requests_waiting, bus.replies_by_asker;
CREATE INDEX requests_waiting ON bus.requests (lane, valid_until, id) WHERE claimed_at IS NULL;
CREATE INDEX replies_by_asker ON bus.replies (reply_to, valid_until);

CREATE OR REPLACE FUNCTION bus.hand_in_request(
  request_id uuid, of_lane text, of_message uuid, content bytea, content_headers jsonb, asker bigint,
  expires timestamptz, left_over interval, lane_length integer
) RETURNS boolean LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  IF (SELECT count(*) FROM (SELECT FROM bus.requests
                             WHERE lane = of_lane AND claimed_at IS NULL AND valid_until > now() LIMIT lane_length) w)
     >= lane_length THEN
    RETURN false;
  END IF;
  INSERT INTO bus.requests (id, lane, message_id, body, headers, reply_to, expires_at, valid_until)
  VALUES (request_id, of_lane, of_message, content, content_headers, asker, expires, now() + left_over)
      ON CONFLICT (id) DO NOTHING;
  PERFORM pg_notify('deskfactor.lane.' || of_lane, '');
  RETURN true;
END $$;

-- Those whose time ends first come first: on a lane whose requests are all given the same, those that came first.
CREATE OR REPLACE FUNCTION bus.claim_requests(of_lane text, at_most integer, by_owner bigint)
RETURNS SETOF bus.requests LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  RETURN QUERY
  WITH waiting AS MATERIALIZED (
    SELECT id FROM bus.requests
     WHERE lane = of_lane AND claimed_at IS NULL AND available_at <= now() AND valid_until > now() AND deliveries < 2
     ORDER BY valid_until, id LIMIT at_most FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE bus.requests AS r SET claimed_at = now(), lease_owner = by_owner, deliveries = r.deliveries + 1
    FROM waiting WHERE r.id = waiting.id
  RETURNING r.*;
END $$;

-- Picks up what was answered; what came too late is left to the sweep.
CREATE OR REPLACE FUNCTION bus.take_replies(asker bigint) RETURNS SETOF bus.replies LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  RETURN QUERY DELETE FROM bus.replies AS r WHERE r.reply_to = asker AND r.valid_until > now() RETURNING r.*;
END $$;

-- Deletes requests and replies that nobody waits for any more: of askers that died or gave up. Found by the ids that
-- their askers gave them not longer ago than `reach`.
CREATE FUNCTION bus.sweep_requests_since(reach interval) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
  oldest CONSTANT uuid := bus.id_floor(greatest(now() - reach, timestamptz 'epoch'));
BEGIN
  DELETE FROM bus.requests WHERE id >= oldest AND valid_until <= now();
  DELETE FROM bus.replies WHERE request_id >= oldest AND valid_until <= now();
END $$;
