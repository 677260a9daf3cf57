-- Where tenants hear of events by themselves, and what became of each event on its way there.
SET ROLE deskfactor_owner;

CREATE TABLE notifier.webhook_endpoints (
  tenant_id       uuid NOT NULL,
  endpoint_id     uuid NOT NULL,
  url             text NOT NULL,  -- sealed to the notifier: what stands in it may be a password
  description     text NOT NULL CHECK (length(description) <= 200),
  events          text[] NOT NULL CHECK (cardinality(events) BETWEEN 1 AND 100),
  secret          text NOT NULL,  -- sealed to the notifier
  previous_secret text,           -- signs as well until previous_until
  previous_until  timestamptz,
  created_at      timestamptz NOT NULL DEFAULT now(),
  disabled_at     timestamptz,
  disabled_reason text CHECK (disabled_reason IN ('requested', 'gone', 'failing')),
  failing_since   timestamptz,    -- nothing got through since
  paused_until    timestamptz,    -- the endpoint asked for it (Retry-After)
  missed          bigint NOT NULL DEFAULT 0,  -- events left out because too many were waiting
  PRIMARY KEY (tenant_id, endpoint_id),
  CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
  CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);
CALL bus.isolate_tenants('notifier.webhook_endpoints', is_work_queue => true);

-- One event on its way to one endpoint; the key keeps it one however often the event arrives. The body is kept for
-- sending it again: it holds what the tenant's feed holds, no secret and no full destination.
CREATE TABLE notifier.webhook_deliveries (
  tenant_id        uuid NOT NULL,
  endpoint_id      uuid NOT NULL,
  event_id         uuid NOT NULL,
  delivery_id      uuid NOT NULL,
  event_type       text NOT NULL,
  body             bytea NOT NULL,
  state            text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sending', 'delivered', 'failed')),
  attempts         integer NOT NULL DEFAULT 0,
  first_attempt_at timestamptz,   -- the schedule counts from here
  next_attempt_at  timestamptz NOT NULL DEFAULT now(),
  lease_until      timestamptz,
  status           integer,       -- HTTP, of the last answer
  reason           text,
  queued_at        timestamptz NOT NULL DEFAULT now(),
  ended_at         timestamptz,
  PRIMARY KEY (tenant_id, endpoint_id, event_id),
  CHECK ((state = 'sending') = (lease_until IS NOT NULL)),
  CHECK ((state IN ('queued', 'sending')) = (ended_at IS NULL))
) PARTITION BY RANGE (event_id);
CREATE TABLE notifier.webhook_deliveries_default PARTITION OF notifier.webhook_deliveries DEFAULT;
CREATE INDEX webhooks_waiting ON notifier.webhook_deliveries (tenant_id, endpoint_id, next_attempt_at) WHERE state = 'queued';
CREATE INDEX webhooks_sending ON notifier.webhook_deliveries (tenant_id, endpoint_id, lease_until) WHERE state = 'sending';
CREATE INDEX webhooks_of_endpoint ON notifier.webhook_deliveries (tenant_id, endpoint_id, delivery_id);
CREATE INDEX webhooks_by_id ON notifier.webhook_deliveries (tenant_id, delivery_id);
INSERT INTO bus.partitioned VALUES ('notifier.webhook_deliveries', '7 days', '14 days');
CALL bus.isolate_tenants('notifier.webhook_deliveries', is_work_queue => true);

GRANT SELECT, INSERT, UPDATE, DELETE ON notifier.webhook_endpoints TO deskfactor_notifier;
GRANT SELECT, INSERT, UPDATE ON notifier.webhook_deliveries TO deskfactor_notifier;
