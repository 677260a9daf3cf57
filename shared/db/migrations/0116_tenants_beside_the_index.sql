-- Whose rows may be seen is a filter, and nothing that an index is searched by: the list of a frame's tenants was sorted
-- anew for each row that is looked up by its key, in each table. What is asked has its tenant in its own conditions.
SET ROLE deskfactor_owner;

CREATE OR REPLACE PROCEDURE bus.isolate_tenants(target regclass, is_work_queue boolean DEFAULT false)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
  EXECUTE format(
    'CREATE POLICY tenants ON %s USING ((tenant_id = ANY ((SELECT bus.visible_tenants())::uuid[])) IS TRUE)', target);
  IF is_work_queue THEN
    EXECUTE format('CREATE POLICY work_queue ON %s USING ((SELECT bus.on_work_queues()))', target);
  END IF;
END $$;

DO $$
DECLARE
  target regclass;
BEGIN
  FOR target IN SELECT polrelid FROM pg_policy WHERE polname = 'tenants' ORDER BY polrelid LOOP
    EXECUTE format(
      'ALTER POLICY tenants ON %s USING ((tenant_id = ANY ((SELECT bus.visible_tenants())::uuid[])) IS TRUE)', target);
  END LOOP;
END $$;
