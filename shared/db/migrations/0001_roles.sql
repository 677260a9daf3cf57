-- A role per service, and one that owns everything. None of them logs in by itself until the operator gives it a
-- password (`deskfactor migrate --role-passwords`); the owner never does. Roles belong to the whole server, so they may
-- be there already, and two databases may be set up at the same moment. Whoever runs this need not be a superuser: to
-- own the database and to be allowed to create roles is enough.
DO $$
DECLARE
  wanted text;
  may_act_as text := CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END;
BEGIN
  FOREACH wanted IN ARRAY ARRAY[
    'deskfactor_owner', 'deskfactor_gateway', 'deskfactor_otp_worker', 'deskfactor_policy', 'deskfactor_notifier',
    'deskfactor_audit', 'deskfactor_operator'
  ] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', wanted);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
      END;
    END IF;
    IF NOT pg_has_role(current_user, wanted, may_act_as) THEN
      BEGIN
        EXECUTE format('GRANT %I TO %I', wanted, current_user);
      EXCEPTION WHEN unique_violation THEN NULL;
      END;
    END IF;
  END LOOP;
END $$;

CREATE SCHEMA bus AUTHORIZATION deskfactor_owner;
CREATE SCHEMA gateway AUTHORIZATION deskfactor_owner;
CREATE SCHEMA otp AUTHORIZATION deskfactor_owner;
CREATE SCHEMA policy AUTHORIZATION deskfactor_owner;
CREATE SCHEMA notifier AUTHORIZATION deskfactor_owner;
CREATE SCHEMA audit AUTHORIZATION deskfactor_owner;

GRANT USAGE ON SCHEMA bus, gateway, otp, policy, notifier, audit
   TO deskfactor_gateway, deskfactor_otp_worker, deskfactor_policy, deskfactor_notifier, deskfactor_audit,
      deskfactor_operator;

SET ROLE deskfactor_owner;

-- The tenants that the transaction names. Not set: none, so that a forgotten name shows nothing rather than everything.
CREATE FUNCTION bus.visible_tenants() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('deskfactor.tenants', true), '')::uuid[];

-- Whether the transaction works on a queue that crosses tenants (due timers, leased deliveries, leftovers).
CREATE FUNCTION bus.on_work_queues() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(current_setting('deskfactor.work_queues', true), '') = 'on';

-- Row-level security of one table, forced on its owner too, so that views obey it.
CREATE PROCEDURE bus.isolate_tenants(target regclass, is_work_queue boolean DEFAULT false) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
  EXECUTE format(
    'CREATE POLICY tenants ON %s USING (tenant_id = ANY ((SELECT bus.visible_tenants())::uuid[]))', target);
  IF is_work_queue THEN
    EXECUTE format('CREATE POLICY work_queue ON %s USING ((SELECT bus.on_work_queues()))', target);
  END IF;
END $$;
