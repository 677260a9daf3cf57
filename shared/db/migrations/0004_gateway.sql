-- The gateway's own: tenants with their settings, and API keys.
SET ROLE deskfactor_owner;

CREATE TABLE gateway.tenants (
  tenant_id    uuid PRIMARY KEY,
  name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
  is_sandbox   boolean NOT NULL,
  settings     jsonb NOT NULL DEFAULT '{}',
  created_at   timestamptz NOT NULL DEFAULT now(),
  suspended_at timestamptz
);
CALL bus.isolate_tenants('gateway.tenants', is_work_queue => true);  -- the operator lists them all

CREATE TABLE gateway.api_keys (
  tenant_id  uuid NOT NULL REFERENCES gateway.tenants,
  key_id     uuid NOT NULL,
  digest     bytea NOT NULL UNIQUE CHECK (length(digest) = 32),  -- SHA-256: the key has 256 random bits
  name       text NOT NULL,
  hint       text NOT NULL,  -- prefix and last four characters, to tell keys apart
  scopes     text[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  PRIMARY KEY (tenant_id, key_id)
);
CALL bus.isolate_tenants('gateway.api_keys', is_work_queue => true);  -- a key is looked up before its tenant is known

-- Events that a helpdesk handed in: CloudEvents says that source and id together name one. The row commits with the
-- command that the event became, so the same event twice has one effect; kept for seven days.
CREATE TABLE gateway.accepted_events (
  tenant_id   uuid NOT NULL,
  digest      bytea NOT NULL CHECK (length(digest) = 32),  -- of source and id
  message_id  uuid NOT NULL,
  accepted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, digest)
);
CREATE INDEX accepted_events_by_age ON gateway.accepted_events (accepted_at);
CALL bus.isolate_tenants('gateway.accepted_events', is_work_queue => true);

-- What the other services may know of a tenant.
CREATE VIEW gateway.tenant_profiles AS
SELECT tenant_id, name, is_sandbox, settings, suspended_at IS NOT NULL AS is_suspended FROM gateway.tenants;

GRANT SELECT, INSERT, UPDATE ON gateway.tenants, gateway.api_keys TO deskfactor_gateway, deskfactor_operator;
GRANT SELECT, INSERT, DELETE ON gateway.accepted_events TO deskfactor_gateway;
GRANT SELECT ON gateway.tenant_profiles
   TO deskfactor_gateway, deskfactor_otp_worker, deskfactor_policy, deskfactor_notifier, deskfactor_audit, deskfactor_operator;
