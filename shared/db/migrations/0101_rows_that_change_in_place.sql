-- Rows that change in place, and what is left of them cleared away in time. A range that is made later is made alike.
SET ROLE deskfactor_owner;

-- How full a page is filled when rows come: where a row's later versions fit beside it, and no index has to hear of them,
-- a change costs one page and no index entry (heap-only tuples).
ALTER TABLE bus.partitioned ADD COLUMN fillfactor smallint NOT NULL DEFAULT 100 CHECK (fillfactor BETWEEN 10 AND 100);
UPDATE bus.partitioned SET fillfactor = 90 WHERE parent = 'otp.challenges'::regclass;  -- failed attempts, further sends
UPDATE bus.partitioned SET fillfactor = 80 WHERE parent = 'otp.codes'::regclass;       -- used up, all of a challenge at once

-- The settings of one range. Counted by rows and not by their share: a tenth of a range of a week is an hour of logins.
-- Without pauses: a queue that is cleared more slowly than it is written is read over again and again.
CREATE FUNCTION bus.range_settings(of_parent regclass) RETURNS text LANGUAGE sql STABLE
RETURN 'autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0, '
       'autovacuum_analyze_scale_factor = 0.05, fillfactor = '
       || coalesce((SELECT fillfactor FROM bus.partitioned WHERE parent = of_parent), 100);

CREATE OR REPLACE FUNCTION bus.make_range(
  parent regclass, spare regclass, key name, schema_name name, range_name name, lowest uuid, above uuid
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  EXECUTE format('LOCK TABLE ONLY %s IN %s MODE', parent, CASE WHEN lowest <= bus.id_floor(clock_timestamp())
                                                               THEN 'SHARE ROW EXCLUSIVE'
                                                               ELSE 'SHARE UPDATE EXCLUSIVE' END);
  EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', spare);  -- no row may come between the move and the attach
  EXECUTE format(
    'CREATE TABLE %I.%I (LIKE %s INCLUDING ALL) WITH (%s)', schema_name, range_name, parent, bus.range_settings(parent));
  EXECUTE format(
    'WITH moved AS (DELETE FROM %s WHERE %I >= %L AND %I < %L RETURNING *) INSERT INTO %I.%I SELECT * FROM moved',
    spare, key, lowest, key, above, schema_name, range_name);
  EXECUTE format(
    'ALTER TABLE %s ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)', parent, schema_name, range_name, lowest, above);
END $$;

DO $$
DECLARE
  part record;
BEGIN
  FOR part IN SELECT i.inhrelid::regclass AS name, i.inhparent::regclass AS parent
                FROM bus.partitioned p JOIN pg_inherits i ON i.inhparent = p.parent
  LOOP
    EXECUTE format('ALTER TABLE %s SET (%s)', part.name, bus.range_settings(part.parent));
  END LOOP;
END $$;

-- Rows that are written at every login or every command, in tables that are not cut into ranges.
ALTER TABLE otp.accounts SET (autovacuum_vacuum_cost_delay = 0);
ALTER TABLE otp.factors SET (autovacuum_vacuum_cost_delay = 0);
ALTER TABLE otp.trusted_devices SET (
  fillfactor = 85, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE audit.heads SET (autovacuum_vacuum_cost_delay = 0);
ALTER TABLE bus.answers SET (autovacuum_vacuum_cost_delay = 0);
ALTER TABLE policy.enforcements SET (
  fillfactor = 85, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE policy.accounts SET (
  fillfactor = 90, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE notifier.webhook_endpoints SET (
  fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE gateway.prompt_sessions SET (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE gateway.accepted_events SET (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
