-- Which tenants read their events from a queue of their own: those leave one by one, all others many in a message.
SET ROLE deskfactor_owner;

CREATE TABLE bus.tenants_on_the_broker (
  tenant_id uuid PRIMARY KEY
);
CALL bus.isolate_tenants('bus.tenants_on_the_broker', is_work_queue => true);  -- duties tell facts of all tenants
GRANT SELECT ON bus.tenants_on_the_broker
  TO deskfactor_gateway, deskfactor_otp_worker, deskfactor_policy, deskfactor_notifier, deskfactor_audit;
GRANT SELECT, INSERT, DELETE ON bus.tenants_on_the_broker TO deskfactor_operator;

ALTER TABLE bus.outbox ADD COLUMN has_own_queue boolean NOT NULL DEFAULT false;
