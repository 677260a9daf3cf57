-- What every service needs to speak: outbox, inbox, the answers it gave, and the letters that died.
SET ROLE deskfactor_owner;

-- Tables that grow without end are cut into ranges of UUIDv7, that is, of time: upkeep makes the next ranges and drops
-- whole ones whose time is over.
CREATE TABLE bus.partitioned (
  parent  regclass PRIMARY KEY,
  span    interval NOT NULL,
  keep    interval,  -- after the end of a range; NULL: for ever
  done_at name       -- the column that says when a row was done with; one that is not is never dropped
);
GRANT SELECT ON bus.partitioned
   TO deskfactor_gateway, deskfactor_otp_worker, deskfactor_policy, deskfactor_notifier, deskfactor_audit, deskfactor_operator;

-- The smallest UUIDv7 of an instant (RFC 9562, 5.7).
CREATE FUNCTION bus.id_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70000000000000000000')::uuid;

-- The instant of a UUIDv7.
CREATE FUNCTION bus.id_time(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0);

-- The beginning of the range that an instant falls into.
CREATE FUNCTION bus.range_start(span interval, at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN date_bin(span, at, timestamptz '2024-01-01 00:00:00+00');

-- Makes one range. What came before its range was there is in the default partition, and moves over: as long as it lies
-- there, PostgreSQL refuses the range.
CREATE FUNCTION bus.make_range(
  parent regclass, spare regclass, key name, schema_name name, range_name name, lowest uuid, above uuid
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', parent);
  EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', spare);  -- no row may come between the move and the attach
  EXECUTE format(
    'CREATE TABLE %I.%I (LIKE %s INCLUDING ALL) '
    'WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0)',
    schema_name, range_name, parent);
  EXECUTE format(
    'WITH moved AS (DELETE FROM %s WHERE %I >= %L AND %I < %L RETURNING *) INSERT INTO %I.%I SELECT * FROM moved',
    spare, key, lowest, key, above, schema_name, range_name);
  EXECUTE format(
    'ALTER TABLE %s ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)', parent, schema_name, range_name, lowest, above);
END $$;

-- Makes the ranges up to `ahead` from now, and those that rows in the default partition wait for; drops the outlived
-- ones; returns what it did. Runs as the owner, and in UTC: elsewhere seven days may be an hour longer.
CREATE FUNCTION bus.maintain_partitions(ahead interval DEFAULT '14 days') RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET timezone = 'UTC' AS $$
DECLARE
  each record;
  part record;
  begins timestamptz;
  range_name text;
  oldest timestamptz;
  is_needed boolean;
  deleted bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('bus.maintain_partitions', 0));
  FOR each IN SELECT p.*, n.nspname, c.relname, k.attname AS key, t.partdefid::regclass AS spare,
                     NOT a.attnotnull AS is_awaited
                FROM bus.partitioned p JOIN pg_class c ON c.oid = p.parent JOIN pg_namespace n ON n.oid = c.relnamespace
                     JOIN pg_partitioned_table t ON t.partrelid = p.parent
                     JOIN pg_attribute k ON k.attrelid = p.parent AND k.attnum = t.partattrs[0]
                     LEFT JOIN pg_attribute a ON a.attrelid = p.parent AND a.attname = p.done_at
  LOOP
    oldest := bus.range_start(each.span, coalesce(now() - each.keep - each.span, timestamptz '2024-01-01 00:00:00+00'));
    FOR begins IN EXECUTE format(
      'SELECT generate_series(bus.range_start($1, now()) - $1, now() + $2, $1) '
      'UNION SELECT bus.range_start($1, bus.id_time(%I)) FROM %s WHERE %I >= bus.id_floor($3) AND %I < bus.id_floor(now() + $2) '
      'ORDER BY 1', each.key, each.spare, each.key, each.key) USING each.span, ahead, oldest
    LOOP
      range_name := each.relname || '_' || to_char(begins, 'YYYYMMDD');
      IF to_regclass(format('%I.%I', each.nspname, range_name)) IS NULL THEN
        PERFORM bus.make_range(
          each.parent, each.spare, each.key, each.nspname, range_name,
          bus.id_floor(begins), bus.id_floor(begins + each.span));
        RETURN NEXT 'made ' || range_name;
      END IF;
    END LOOP;
    CONTINUE WHEN each.keep IS NULL;
    FOR part IN SELECT c.relname, c.oid::regclass AS oid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                 WHERE i.inhparent = each.parent AND c.relname ~ ('^' || each.relname || '_\d{8}$')
    LOOP
      CONTINUE WHEN to_timestamp(right(part.relname, 8), 'YYYYMMDD') + each.span + each.keep >= now();
      IF each.is_awaited THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I IS NULL)', part.oid, each.done_at) INTO is_needed;
        CONTINUE WHEN is_needed;
      END IF;
      EXECUTE format('DROP TABLE %s', part.oid);
      RETURN NEXT 'dropped ' || part.relname;
    END LOOP;
    -- What was said again after its range was gone, a replayed letter for instance.
    EXECUTE format('DELETE FROM %s WHERE %I < bus.id_floor($1)', each.spare, each.key)
         || CASE WHEN each.done_at IS NULL THEN '' ELSE format(' AND %I < now() - $2', each.done_at) END USING oldest, each.keep;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted > 0 THEN
      RETURN NEXT format('deleted %s from %s', deleted, each.spare);
    END IF;
  END LOOP;
END $$;

-- One row a message and way: an event that was published and died on two lanes may be on its way back to both.
CREATE TABLE bus.outbox (
  message_id   uuid NOT NULL,
  routing_key  text NOT NULL,
  exchange     text NOT NULL,
  tenant_id    uuid,
  body         bytea NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  published_at timestamptz,
  sweep_at     timestamptz NOT NULL DEFAULT now() + interval '5 seconds',  -- until then it is in somebody's hands
  attempts     integer NOT NULL DEFAULT 0,  -- that were not confirmed
  last_outcome text,
  PRIMARY KEY (message_id, routing_key)
) PARTITION BY RANGE (message_id);
CREATE TABLE bus.outbox_default PARTITION OF bus.outbox DEFAULT;
CREATE INDEX outbox_unpublished ON bus.outbox (sweep_at) WHERE published_at IS NULL;
INSERT INTO bus.partitioned VALUES ('bus.outbox', '7 days', '7 days', 'published_at');

CREATE TABLE bus.inbox (
  consumer   text NOT NULL,
  message_id uuid NOT NULL,
  handled_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, message_id)
) PARTITION BY RANGE (message_id);
CREATE TABLE bus.inbox_default PARTITION OF bus.inbox DEFAULT;
INSERT INTO bus.partitioned VALUES ('bus.inbox', '7 days', '14 days', 'handled_at');

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
CREATE INDEX answers_with_secrets ON bus.answers (answered_at) WHERE holds_secret AND reply <> ''::bytea;
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
