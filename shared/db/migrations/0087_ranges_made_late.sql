-- A range that is made late, after the upkeep stood still, is one that is written to at this moment. Whoever has been
-- sent to the default partition and waits for its lock is refused when the range comes between, so writers wait for
-- the parent instead: before they are sent anywhere. Nobody writes to a range of the future, and nobody waits for it.
SET ROLE deskfactor_owner;

CREATE OR REPLACE FUNCTION bus.make_range(
  parent regclass, spare regclass, key name, schema_name name, range_name name, lowest uuid, above uuid
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  EXECUTE format('LOCK TABLE ONLY %s IN %s MODE', parent, CASE WHEN lowest <= bus.id_floor(clock_timestamp())
                                                               THEN 'SHARE ROW EXCLUSIVE'
                                                               ELSE 'SHARE UPDATE EXCLUSIVE' END);
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
