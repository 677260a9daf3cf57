-- The PostgreSQL lanes: messages without a broker, and the second route of requests beside one.
--
-- No row-level security: the lanes are one queue of work for all tenants, like the outbox. The transport never looks
-- into a body, secrets in it are sealed, and no column but the body says anything about a tenant.
SET ROLE deskfactor_owner;

-- One row a message and lane, so an event that three lanes bind is three rows. It is deleted when it is done.
CREATE TABLE bus.lane_messages (
  id            uuid PRIMARY KEY,              -- UUIDv7 of this row
  lane          text NOT NULL,
  message_id    uuid NOT NULL,
  body          bytea NOT NULL,
  headers       jsonb NOT NULL DEFAULT '{}',
  attempt       integer NOT NULL DEFAULT 0,    -- times a handler failed on it
  deliveries    integer NOT NULL DEFAULT 0,    -- times it was claimed since then; what a crash leaves behind counts
  is_suspect    boolean NOT NULL DEFAULT false, -- delivered so often that it may be what kills its workers
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  available_at  timestamptz NOT NULL DEFAULT now(),
  expires_at    timestamptz,                   -- the sender's clock; for the handler, never judged here
  lease_owner   bigint,                        -- who works on it, if that one's death can be noticed (bus.lane_owners)
  lease_until   timestamptz,
  dead_reason   text,
  dead_at       timestamptz,
  CHECK ((dead_reason IS NULL) = (dead_at IS NULL))
) WITH (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 2000
);
CREATE INDEX lane_messages_due ON bus.lane_messages (lane, available_at, id) WHERE dead_at IS NULL AND NOT is_suspect;
CREATE INDEX lane_messages_suspect ON bus.lane_messages (lane, available_at, id) WHERE dead_at IS NULL AND is_suspect;
CREATE INDEX lane_messages_dead ON bus.lane_messages (available_at, id) WHERE dead_at IS NOT NULL;
CREATE INDEX lane_messages_leased ON bus.lane_messages (lease_owner) WHERE lease_owner IS NOT NULL;

-- Requests and replies live for seconds and are worth nothing after a crash of the server: unlogged, so that handing
-- one over writes no log and waits for no disk. `valid_until` is by this server's clock.
CREATE UNLOGGED TABLE bus.requests (
  id            uuid PRIMARY KEY,
  lane          text NOT NULL,
  message_id    uuid NOT NULL,
  body          bytea NOT NULL,
  headers       jsonb NOT NULL DEFAULT '{}',
  reply_to      bigint,
  attempt       integer NOT NULL DEFAULT 0,
  deliveries    integer NOT NULL DEFAULT 0,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  available_at  timestamptz NOT NULL DEFAULT now(),
  expires_at    timestamptz NOT NULL,
  valid_until   timestamptz NOT NULL,
  claimed_at    timestamptz,
  lease_owner   bigint
) WITH (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 2000
);
CREATE INDEX requests_waiting ON bus.requests (lane, id) WHERE claimed_at IS NULL;
CREATE INDEX requests_leased ON bus.requests (lease_owner) WHERE lease_owner IS NOT NULL;

CREATE UNLOGGED TABLE bus.replies (
  request_id  uuid PRIMARY KEY,
  reply_to    bigint NOT NULL,
  body        bytea NOT NULL,
  valid_until timestamptz NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 2000
);
CREATE INDEX replies_by_asker ON bus.replies (reply_to);

-- Every process that works on lanes holds the advisory lock of its number as long as its LISTEN session lives. A row
-- here whose lock is free is a process that died: others give back what it held at once instead of awaiting the lease.
CREATE UNLOGGED TABLE bus.lane_owners (
  owner    bigint PRIMARY KEY,
  name     text NOT NULL,
  since_at timestamptz NOT NULL DEFAULT now()
);

-- Sealed bytes do not get smaller; trying costs a millisecond a frame.
ALTER TABLE bus.lane_messages ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE bus.requests ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE bus.replies ALTER COLUMN body SET STORAGE EXTERNAL;

GRANT SELECT, INSERT, UPDATE, DELETE ON bus.lane_messages, bus.requests, bus.replies, bus.lane_owners
   TO deskfactor_gateway, deskfactor_otp_worker, deskfactor_policy, deskfactor_notifier, deskfactor_audit, deskfactor_operator;

-- Why functions: the drivers keep plans, and a plan made while a queue was empty reads the whole table for ever (30,000
-- rows waiting: 230 ms a claim instead of 2). Here the settings under which a plan is made go with the statement.

-- Leases up to `at_most` messages that are due. Suspects are left to bus.claim_suspect.
CREATE FUNCTION bus.claim_messages(of_lane text, at_most integer, by_owner bigint, lease interval, killer_after integer)
RETURNS SETOF bus.lane_messages LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT id FROM bus.lane_messages
     WHERE lane = of_lane AND dead_at IS NULL AND NOT is_suspect AND available_at <= now()
       AND (lease_until IS NULL OR lease_until <= now())
     ORDER BY available_at, id LIMIT at_most FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE bus.lane_messages AS m
     SET lease_owner = by_owner, lease_until = now() + lease, deliveries = m.deliveries + 1,
         is_suspect = m.deliveries + 1 >= killer_after
    FROM due WHERE m.id = due.id
  RETURNING m.*;
END $$;

-- Leases one message that may be what killed its workers, or, after `delivery_limit` deliveries, declares it dead.
CREATE FUNCTION bus.claim_suspect(of_lane text, by_owner bigint, lease interval, delivery_limit integer)
RETURNS SETOF bus.lane_messages LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT id FROM bus.lane_messages
     WHERE lane = of_lane AND dead_at IS NULL AND is_suspect AND available_at <= now()
       AND (lease_until IS NULL OR lease_until <= now())
     ORDER BY available_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
  ), buried AS (
    UPDATE bus.lane_messages AS m
       SET lease_owner = NULL, lease_until = NULL, dead_reason = 'delivery_limit', dead_at = now()
      FROM due WHERE m.id = due.id AND m.deliveries >= delivery_limit
  )
  UPDATE bus.lane_messages AS m
     SET lease_owner = by_owner, lease_until = now() + lease, deliveries = m.deliveries + 1
    FROM due WHERE m.id = due.id AND m.deliveries < delivery_limit
  RETURNING m.*;
END $$;

-- Leases messages that died on one of these lanes.
CREATE FUNCTION bus.claim_dead(of_lanes text[], at_most integer, by_owner bigint, lease interval)
RETURNS SETOF bus.lane_messages LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT id FROM bus.lane_messages
     WHERE dead_at IS NOT NULL AND lane = ANY (of_lanes) AND available_at <= now()
       AND (lease_until IS NULL OR lease_until <= now())
     ORDER BY available_at, id LIMIT at_most FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE bus.lane_messages AS m SET lease_owner = by_owner, lease_until = now() + lease
    FROM due WHERE m.id = due.id
  RETURNING m.*;
END $$;

-- How a batch ended: `done` is deleted, whoever holds it now, since its effect is committed. The others come back after
-- `delays`, or are dead where that is NULL; (attempt, deliveries) is the claim that failed, not a later one of somebody
-- else's.
CREATE FUNCTION bus.settle_messages(
  done uuid[], failed uuid[], attempts integer[], claims integer[], delays interval[], reasons text[]
) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  IF cardinality(done) > 0 THEN
    DELETE FROM bus.lane_messages WHERE id = ANY (done);
  END IF;
  IF cardinality(failed) > 0 THEN
    UPDATE bus.lane_messages AS m
       SET attempt = m.attempt + (f.delay IS NOT NULL)::integer, deliveries = 0, is_suspect = false,
           lease_owner = NULL, lease_until = NULL, available_at = now() + coalesce(f.delay, interval '0'),
           dead_reason = CASE WHEN f.delay IS NULL THEN f.reason END, dead_at = CASE WHEN f.delay IS NULL THEN now() END
      FROM unnest(failed, attempts, claims, delays, reasons) AS f (id, attempt, claim, delay, reason)
     WHERE m.id = f.id AND m.attempt = f.attempt AND m.deliveries = f.claim AND m.dead_at IS NULL;
  END IF;
END $$;

-- Takes dead messages off their lanes (`done`) or leaves them for later.
CREATE FUNCTION bus.settle_dead(done uuid[], failed uuid[], delay interval) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  DELETE FROM bus.lane_messages WHERE id = ANY (done) AND dead_at IS NOT NULL;
  UPDATE bus.lane_messages SET lease_owner = NULL, lease_until = NULL, available_at = now() + delay
   WHERE id = ANY (failed) AND dead_at IS NOT NULL;
END $$;

-- Prolongs the leases of what a live process still works on.
CREATE FUNCTION bus.renew_leases(held uuid[], lease interval) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  UPDATE bus.lane_messages SET lease_until = now() + lease WHERE id = ANY (held) AND lease_until IS NOT NULL;
END $$;

-- Hands in a request; false when the lane is full. Sent twice with the same id it is stored once.
CREATE FUNCTION bus.hand_in_request(
  request_id uuid, of_lane text, of_message uuid, content bytea, content_headers jsonb, asker bigint,
  expires timestamptz, left_over interval, lane_length integer
) RETURNS boolean LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  IF (SELECT count(*) FROM (SELECT FROM bus.requests WHERE lane = of_lane AND claimed_at IS NULL LIMIT lane_length) w)
     >= lane_length THEN
    RETURN false;
  END IF;
  INSERT INTO bus.requests (id, lane, message_id, body, headers, reply_to, expires_at, valid_until)
  VALUES (request_id, of_lane, of_message, content, content_headers, asker, expires, now() + left_over)
      ON CONFLICT (id) DO NOTHING;
  PERFORM pg_notify('deskfactor.lane.' || of_lane, '');
  RETURN true;
END $$;

-- Takes up to `at_most` requests that somebody still waits for. One that two processes died over is left to expire.
CREATE FUNCTION bus.claim_requests(of_lane text, at_most integer, by_owner bigint)
RETURNS SETOF bus.requests LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  RETURN QUERY
  WITH waiting AS MATERIALIZED (
    SELECT id FROM bus.requests
     WHERE lane = of_lane AND claimed_at IS NULL AND available_at <= now() AND valid_until > now() AND deliveries < 2
     ORDER BY id LIMIT at_most FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE bus.requests AS r SET claimed_at = now(), lease_owner = by_owner, deliveries = r.deliveries + 1
    FROM waiting WHERE r.id = waiting.id
  RETURNING r.*;
END $$;

-- How a batch of requests ended: an answer goes to the asker, a reason makes a dead letter. What failed for now comes
-- back after `delays`, if somebody still waits by then; (attempt, deliveries) is the claim that failed.
CREATE FUNCTION bus.settle_requests(
  ended uuid[], answers bytea[], reasons text[], failed uuid[], attempts integer[], claims integer[], delays interval[]
) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  asker bigint;
BEGIN
  IF cardinality(failed) > 0 THEN
    UPDATE bus.requests AS r
       SET claimed_at = NULL, lease_owner = NULL, attempt = r.attempt + 1, deliveries = 0, available_at = now() + f.delay
      FROM unnest(failed, attempts, claims, delays) AS f (id, attempt, claim, delay)
     WHERE r.id = f.id AND r.attempt = f.attempt AND r.deliveries = f.claim;
  END IF;
  FOR asker IN WITH done AS (
    DELETE FROM bus.requests AS r USING unnest(ended, answers, reasons) AS e (id, answer, reason) WHERE r.id = e.id
    RETURNING r.*, e.answer, e.reason
  ), died AS (
    INSERT INTO bus.lane_messages (id, lane, message_id, body, headers, attempt, first_seen_at, expires_at, dead_reason, dead_at)
    SELECT id, lane, message_id, body, headers, attempt, first_seen_at, expires_at, reason, now() FROM done WHERE reason IS NOT NULL
        ON CONFLICT (id) DO NOTHING
  ), answered AS (
    INSERT INTO bus.replies (request_id, reply_to, body, valid_until)
    SELECT id, reply_to, answer, valid_until FROM done
     WHERE answer IS NOT NULL AND reply_to IS NOT NULL AND valid_until > now()
        ON CONFLICT (request_id) DO NOTHING
    RETURNING reply_to
  ) SELECT DISTINCT reply_to FROM answered
  LOOP
    PERFORM pg_notify('deskfactor.replies.' || asker, '');
  END LOOP;
END $$;

-- Picks up what was answered.
CREATE FUNCTION bus.take_replies(asker bigint) RETURNS SETOF bus.replies LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  RETURN QUERY DELETE FROM bus.replies AS r WHERE r.reply_to = asker RETURNING r.*;
END $$;

-- Deletes requests and replies that nobody waits for any more: of askers that died or gave up.
CREATE FUNCTION bus.sweep_requests() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM bus.requests WHERE valid_until <= now();
  DELETE FROM bus.replies WHERE valid_until <= now();
END $$;

-- Gives back what `gone` held. After its death the deliveries count, for one of them may have killed it.
CREATE FUNCTION bus.release_leases(gone bigint, has_died boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE bus.lane_messages
     SET lease_owner = NULL, lease_until = NULL,
         deliveries = greatest(deliveries - (NOT has_died AND dead_at IS NULL)::integer, 0)
   WHERE lease_owner = gone;
  UPDATE bus.requests
     SET claimed_at = NULL, lease_owner = NULL, deliveries = greatest(deliveries - (NOT has_died)::integer, 0)
   WHERE lease_owner = gone;
  DELETE FROM bus.lane_owners WHERE owner = gone;
END $$;

-- Makes this session the one whose end tells the others that `me` has died. False while an older session of `me`, cut
-- off from its process, still holds the lock.
CREATE FUNCTION bus.own_leases(me bigint, my_name text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF NOT pg_try_advisory_lock(me) THEN  -- before the row: a row without a lock means death
    RETURN false;
  END IF;
  INSERT INTO bus.lane_owners (owner, name) VALUES (me, my_name) ON CONFLICT (owner) DO NOTHING;
  RETURN true;
END $$;

-- Gives back what owners held that died; returns how many there were, and wakes the workers of all lanes concerned.
CREATE FUNCTION bus.release_the_dead(me bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  gone bigint;
  found_dead integer := 0;
BEGIN
  FOR gone IN SELECT owner FROM bus.lane_owners WHERE owner <> me AND pg_try_advisory_xact_lock(owner) LOOP
    found_dead := found_dead + 1;
    PERFORM pg_notify('deskfactor.lane.' || lane, '') FROM (
      SELECT lane FROM bus.lane_messages WHERE lease_owner = gone AND dead_at IS NULL AND NOT is_suspect
       UNION SELECT lane FROM bus.requests WHERE lease_owner = gone) AS lanes;
    PERFORM bus.release_leases(gone, true);
  END LOOP;
  RETURN found_dead;
END $$;
