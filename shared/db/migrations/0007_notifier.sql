-- The notifier's own: deliveries and what became of them, and the messages of sandbox tenants.
SET ROLE deskfactor_owner;

CREATE TABLE notifier.deliveries (
  tenant_id        uuid NOT NULL,
  delivery_id      uuid NOT NULL,
  account_id       text NOT NULL,
  channel          text NOT NULL CHECK (channel IN ('email', 'sms')),
  notification     text NOT NULL,
  state            text NOT NULL DEFAULT 'queued'
                   CHECK (state IN ('queued', 'sending', 'accepted', 'delivered', 'undeliverable', 'refused', 'unknown', 'expired')),
  destination      text NOT NULL,  -- sealed to the notifier
  masked           text NOT NULL,
  language         text NOT NULL,
  time_zone        text NOT NULL,
  params           jsonb NOT NULL,
  code             text,           -- sealed to the notifier; a second send carries the same one
  secrets          text,           -- sealed to the notifier
  not_after        timestamptz,    -- tenant time
  challenge_id     uuid,
  factor_id        uuid,
  recovery_id      uuid,
  actor            text NOT NULL,
  command_id       uuid NOT NULL,
  correlation_id   uuid NOT NULL,
  attempts         integer NOT NULL DEFAULT 0,
  unknowns         integer NOT NULL DEFAULT 0 CHECK (unknowns <= 2),
  next_attempt_at  timestamptz NOT NULL DEFAULT now(),
  lease_until      timestamptz,
  provider_id      text,
  receipt          text CHECK (receipt IN ('delivered', 'undeliverable')),  -- came before the outcome was written down
  reason           text,
  queued_at        timestamptz NOT NULL DEFAULT now(),
  ended_at         timestamptz,
  PRIMARY KEY (tenant_id, delivery_id),
  CHECK ((state = 'sending') = (lease_until IS NOT NULL)),
  CHECK ((state IN ('queued', 'sending', 'accepted')) = (ended_at IS NULL))
) PARTITION BY RANGE (delivery_id);
CREATE TABLE notifier.deliveries_default PARTITION OF notifier.deliveries DEFAULT;
CREATE INDEX deliveries_queued ON notifier.deliveries (channel, next_attempt_at) WHERE state = 'queued';
CREATE INDEX deliveries_sending ON notifier.deliveries (lease_until) WHERE state = 'sending';
CREATE INDEX deliveries_by_challenge ON notifier.deliveries (tenant_id, challenge_id) WHERE challenge_id IS NOT NULL;
INSERT INTO bus.partitioned VALUES ('notifier.deliveries', '7 days', '35 days');
CALL bus.isolate_tenants('notifier.deliveries', is_work_queue => true);

-- What the people of a sandbox tenant would have read; its developers read it instead. Sealed to the notifier.
CREATE TABLE notifier.sandbox_messages (
  tenant_id    uuid NOT NULL,
  delivery_id  uuid NOT NULL,
  account_id   text NOT NULL,
  channel      text NOT NULL,
  notification text NOT NULL,
  content      text NOT NULL,
  sent_at      timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, delivery_id)
);
CREATE INDEX sandbox_messages_by_age ON notifier.sandbox_messages (sent_at);
CALL bus.isolate_tenants('notifier.sandbox_messages', is_work_queue => true);

GRANT SELECT, INSERT, UPDATE ON notifier.deliveries TO deskfactor_notifier;
GRANT SELECT, INSERT, DELETE ON notifier.sandbox_messages TO deskfactor_notifier;
