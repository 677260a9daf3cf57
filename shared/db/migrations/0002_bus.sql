-- What every service needs to speak: outbox, inbox, the answers it gave, and the letters that died.
SET ROLE deskfactor_owner;

-- Tables that grow without end are cut into ranges of UUIDv7, that is, of time: upkeep makes the next ranges and drops
-- whole ones whose time is over (NULL: never).
CREATE TABLE bus.partitioned (
  parent regclass PRIMARY KEY,
  span   interval NOT NULL,
  keep   interval
);
GRANT SELECT ON bus.partitioned
   TO deskfactor_gateway, deskfactor_otp_worker, deskfactor_policy, deskfactor_notifier, deskfactor_audit, deskfactor_operator;

-- The smallest UUIDv7 of an instant (RFC 9562, 5.7).
CREATE FUNCTION bus.id_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70000000000000000000')::uuid;

-- Makes the ranges up to `ahead` from now and drops the outlived ones; returns what it did. Runs as the owner.
CREATE FUNCTION bus.maintain_partitions(ahead interval DEFAULT '14 days') RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  each record;
  part record;
  start timestamptz;
  name text;
  has_unpublished boolean;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('bus.maintain_partitions', 0));
  FOR each IN SELECT p.parent, p.span, p.keep, n.nspname, c.relname
                FROM bus.partitioned p JOIN pg_class c ON c.oid = p.parent JOIN pg_namespace n ON n.oid = c.relnamespace
  LOOP
    start := date_bin(each.span, now(), timestamptz '2024-01-01 00:00:00+00') - each.span;
    WHILE start < now() + ahead LOOP
      name := each.relname || '_' || to_char(start AT TIME ZONE 'UTC', 'YYYYMMDD');
      IF to_regclass(format('%I.%I', each.nspname, name)) IS NULL THEN
        EXECUTE format(
          'CREATE TABLE %I.%I PARTITION OF %s FOR VALUES FROM (%L) TO (%L) '
          'WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0)',
          each.nspname, name, each.parent, bus.id_floor(start), bus.id_floor(start + each.span));
        RETURN NEXT 'made ' || name;
      END IF;
      start := start + each.span;
    END LOOP;
    CONTINUE WHEN each.keep IS NULL;
    FOR part IN SELECT c.relname, c.oid::regclass AS oid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                 WHERE i.inhparent = each.parent AND c.relname ~ ('^' || each.relname || '_\d{8}$')
    LOOP
      start := to_timestamp(right(part.relname, 8), 'YYYYMMDD');
      IF start + each.span + each.keep < now() THEN
        IF each.relname = 'outbox' THEN  -- a message that nobody has published yet is never dropped
          EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE published_at IS NULL)', part.oid) INTO has_unpublished;
          CONTINUE WHEN has_unpublished;
        END IF;
        EXECUTE format('DROP TABLE %s', part.oid);
        RETURN NEXT 'dropped ' || part.relname;
      END IF;
    END LOOP;
  END LOOP;
END $$;

CREATE TABLE bus.outbox (
  message_id   uuid NOT NULL PRIMARY KEY,
  tenant_id    uuid,
  exchange     text NOT NULL,
  routing_key  text NOT NULL,
  body         bytea NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  published_at timestamptz,
  attempts     integer NOT NULL DEFAULT 0,
  last_outcome text
) PARTITION BY RANGE (message_id);
CREATE TABLE bus.outbox_default PARTITION OF bus.outbox DEFAULT;
CREATE INDEX outbox_unpublished ON bus.outbox (message_id) WHERE published_at IS NULL;
INSERT INTO bus.partitioned VALUES ('bus.outbox', '7 days', '7 days');

CREATE TABLE bus.inbox (
  consumer   text NOT NULL,
  message_id uuid NOT NULL,
  handled_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, message_id)
) PARTITION BY RANGE (message_id);
CREATE TABLE bus.inbox_default PARTITION OF bus.inbox DEFAULT;
INSERT INTO bus.partitioned VALUES ('bus.inbox', '7 days', '14 days');

CREATE TABLE bus.answers (
  tenant_id    uuid NOT NULL,
  scope        text NOT NULL,
  key          text NOT NULL,
  fingerprint  bytea NOT NULL,
  reply        bytea NOT NULL,
  holds_secret boolean NOT NULL,
  answered_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, scope, key)
);
CREATE INDEX answers_by_age ON bus.answers (answered_at);
CALL bus.isolate_tenants('bus.answers', is_work_queue => true);

CREATE TABLE bus.dead_letters (
  message_id    uuid NOT NULL,
  lane          text NOT NULL,
  reason        text NOT NULL,
  message_type  text,
  tenant_id     uuid,
  attempts      integer NOT NULL,
  body          bytea NOT NULL,
  first_seen_at timestamptz NOT NULL,
  parked_at     timestamptz NOT NULL DEFAULT now(),
  replayed_at   timestamptz,
  discarded_at  timestamptz,
  PRIMARY KEY (lane, message_id)
);
CREATE INDEX dead_letters_open ON bus.dead_letters (parked_at) WHERE replayed_at IS NULL AND discarded_at IS NULL;

ALTER TABLE bus.answers SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

GRANT SELECT, INSERT, UPDATE, DELETE ON bus.outbox
   TO deskfactor_gateway, deskfactor_otp_worker, deskfactor_policy, deskfactor_notifier, deskfactor_audit, deskfactor_operator;
GRANT SELECT, INSERT ON bus.inbox
   TO deskfactor_gateway, deskfactor_otp_worker, deskfactor_policy, deskfactor_notifier, deskfactor_audit, deskfactor_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON bus.answers
   TO deskfactor_gateway, deskfactor_otp_worker, deskfactor_policy, deskfactor_notifier;
GRANT SELECT, INSERT, UPDATE ON bus.dead_letters
   TO deskfactor_gateway, deskfactor_otp_worker, deskfactor_policy, deskfactor_notifier, deskfactor_audit, deskfactor_operator;
GRANT EXECUTE ON FUNCTION bus.maintain_partitions(interval)
   TO deskfactor_gateway, deskfactor_otp_worker, deskfactor_policy, deskfactor_notifier, deskfactor_audit, deskfactor_operator;
