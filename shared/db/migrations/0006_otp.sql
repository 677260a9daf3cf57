-- The verifier's own: data keys, accounts' counters, factors, challenges, codes, backup codes, trusted devices.
SET ROLE deskfactor_owner;

CREATE TABLE otp.tenant_keys (
  tenant_id uuid PRIMARY KEY,
  wrapped   text NOT NULL  -- the tenant's data key, sealed with the ring `rest`
);
CALL bus.isolate_tenants('otp.tenant_keys');

CREATE TABLE otp.account_keys (
  tenant_id  uuid NOT NULL,
  account_id text NOT NULL,
  wrapped    bytea NOT NULL,  -- the account's data key under its tenant's; gone when the account is erased
  PRIMARY KEY (tenant_id, account_id)
);
CALL bus.isolate_tenants('otp.account_keys');

-- One row an account, made with its first challenge or factor: epochs, the throttle, the day's sends. Tenant time.
CREATE TABLE otp.accounts (
  tenant_id           uuid NOT NULL,
  account_id          text NOT NULL,
  factor_epoch        integer NOT NULL DEFAULT 0,
  password_changed_at timestamptz,            -- the credential epoch: a trust older than this is over
  first_enrolled_at   timestamptz,
  last_success_at     timestamptz,            -- with a factor, backup code or key; never a trusted device
  failures_in_row     integer NOT NULL DEFAULT 0,
  throttled_until     timestamptz,
  day_started_at      timestamptz,
  day_failures        integer NOT NULL DEFAULT 0,
  month_started_at    timestamptz,
  month_failures      integer NOT NULL DEFAULT 0,
  backup_day_started_at timestamptz,
  backup_day_failures integer NOT NULL DEFAULT 0,
  mails_day_started_at timestamptz,
  day_mails           integer NOT NULL DEFAULT 0,
  sms_day_started_at  timestamptz,
  day_sms             integer NOT NULL DEFAULT 0,
  backup_set_id       uuid,
  backup_generated_at timestamptz,
  backup_acknowledged_at timestamptz,
  PRIMARY KEY (tenant_id, account_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CALL bus.isolate_tenants('otp.accounts');

CREATE TABLE otp.factors (
  tenant_id      uuid NOT NULL,
  factor_id      uuid NOT NULL,
  account_id     text NOT NULL,
  type           text NOT NULL CHECK (type IN ('totp', 'sms', 'email', 'webauthn')),
  state          text NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'revoked', 'expired')),
  name           text NOT NULL,
  seed           bytea,   -- 160 bits under the account's data key; erased when the factor ends
  last_step      bigint,  -- the accepted step of TOTP: neither it nor one before it is accepted again (RFC 6238, 5.2)
  burnt_steps    bigint[] NOT NULL DEFAULT '{}',  -- named in a hint about the clock; not accepted when their time comes
  contact_sealed text,
  contact_masked text,
  contact_digest text,
  challenge_id   uuid NOT NULL,  -- the enrolment's challenge: its attempts, its codes, its expiry
  login_challenge_id uuid,       -- enrolled inside this login: the confirmation is its proof
  replaces       uuid,
  created_at     timestamptz NOT NULL,
  expires_at     timestamptz,
  confirmed_at   timestamptz,
  last_used_at   timestamptz,
  ended_at       timestamptz,
  PRIMARY KEY (tenant_id, factor_id),
  CHECK (state IN ('revoked', 'expired') OR (type = 'totp') = (seed IS NOT NULL)),
  CHECK ((state = 'pending') = (expires_at IS NOT NULL)),
  CHECK ((state IN ('revoked', 'expired')) = (ended_at IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX factors_by_account ON otp.factors (tenant_id, account_id) WHERE state IN ('pending', 'active', 'suspended');
CREATE INDEX factors_pending ON otp.factors (expires_at) WHERE state = 'pending';
CALL bus.isolate_tenants('otp.factors', is_work_queue => true);

CREATE TABLE otp.challenges (
  tenant_id     uuid NOT NULL,
  challenge_id  uuid NOT NULL,
  account_id    text NOT NULL,
  purpose       text NOT NULL CHECK (purpose IN ('sign_in', 'step_up', 'enrolment', 'recovery', 'api_password')),
  state         text NOT NULL CHECK (state IN ('open', 'verified', 'redeemed', 'exhausted', 'expired', 'cancelled')),
  context       text NOT NULL,  -- digest of what binds it: the same asked again returns the open one
  attempts      integer NOT NULL DEFAULT 0 CHECK (attempts <= 5),
  sends         integer NOT NULL DEFAULT 0 CHECK (sends <= 4),
  next_send_at  timestamptz,
  sent_to       uuid,
  is_hinted     boolean NOT NULL DEFAULT false,  -- "your clock is off" was said once
  mailbox_sealed text,                           -- where the challenge offers the account's mailbox (enrolment, recovery)
  mailbox_masked text,
  mailbox_digest text,
  factor_id     uuid,                            -- an enrolment's pending factor
  recovery_id   uuid,
  factor_epoch  integer NOT NULL,
  created_at    timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL,
  verified_at   timestamptz,
  verified_by   text CHECK (verified_by IN (
                  'totp', 'sms', 'email', 'webauthn', 'backup_code', 'recovery_key', 'recovery_code', 'mailbox')),
  ended_at      timestamptz,
  PRIMARY KEY (tenant_id, challenge_id),
  CHECK ((state IN ('verified', 'redeemed')) = (verified_at IS NOT NULL)),
  CHECK ((verified_at IS NULL) = (verified_by IS NULL)),
  CHECK ((state = 'open') = (ended_at IS NULL))
) PARTITION BY RANGE (challenge_id);
CREATE TABLE otp.challenges_default PARTITION OF otp.challenges DEFAULT;
CREATE INDEX challenges_open ON otp.challenges (tenant_id, account_id) WHERE state = 'open';
CREATE INDEX challenges_expiring ON otp.challenges (expires_at) WHERE state = 'open';
INSERT INTO bus.partitioned VALUES ('otp.challenges', '7 days', '35 days');
CALL bus.isolate_tenants('otp.challenges', is_work_queue => true);

CREATE TABLE otp.codes (
  tenant_id    uuid NOT NULL,
  challenge_id uuid NOT NULL,
  code_id      uuid NOT NULL,  -- also the id of its delivery
  factor_id    uuid,           -- NULL: sent to the mailbox that the challenge offers
  digest       text NOT NULL,  -- keyed, bound to challenge and purpose
  created_at   timestamptz NOT NULL,
  expires_at   timestamptz NOT NULL,
  used_at      timestamptz,
  PRIMARY KEY (tenant_id, challenge_id, code_id)
) PARTITION BY RANGE (challenge_id);
CREATE TABLE otp.codes_default PARTITION OF otp.codes DEFAULT;
INSERT INTO bus.partitioned VALUES ('otp.codes', '7 days', '35 days');
CALL bus.isolate_tenants('otp.codes');

CREATE TABLE otp.backup_codes (
  tenant_id  uuid NOT NULL,
  account_id text NOT NULL,
  code_id    uuid NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('backup_code', 'recovery_key', 'recovery_code')),
  slot       smallint NOT NULL,
  set_id     uuid NOT NULL,
  hash       text NOT NULL,  -- argon2id
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  used_at    timestamptz,
  voided_at  timestamptz,
  PRIMARY KEY (tenant_id, account_id, code_id)
);
CREATE UNIQUE INDEX backup_codes_live ON otp.backup_codes (tenant_id, account_id, kind, slot)
 WHERE used_at IS NULL AND voided_at IS NULL;
CALL bus.isolate_tenants('otp.backup_codes');

CREATE TABLE otp.trusted_devices (
  tenant_id    uuid NOT NULL,
  device_id    uuid NOT NULL,
  account_id   text NOT NULL,
  token_digest bytea NOT NULL,
  name         text NOT NULL,
  method       text NOT NULL,     -- what earned the trust: it is over when the policy no longer allows that
  factor_epoch integer NOT NULL,
  created_at   timestamptz NOT NULL,
  expires_at   timestamptz NOT NULL,
  last_used_at timestamptz,
  revoked_at   timestamptz,
  PRIMARY KEY (tenant_id, device_id)
);
CREATE UNIQUE INDEX trusted_devices_by_token ON otp.trusted_devices (tenant_id, token_digest);
CREATE INDEX trusted_devices_by_account ON otp.trusted_devices (tenant_id, account_id) WHERE revoked_at IS NULL;
CALL bus.isolate_tenants('otp.trusted_devices');

-- Public halves of the keys that sign assertions; the gateway serves them as JWKS (RFC 7517).
CREATE TABLE otp.assertion_keys (
  key_id     text PRIMARY KEY,
  public_key bytea NOT NULL CHECK (length(public_key) = 32),
  created_at timestamptz NOT NULL DEFAULT now()
);

-- What policy decides by: facts of factors, read under the account's lock.
CREATE VIEW otp.account_facts AS
SELECT a.tenant_id, a.account_id, a.first_enrolled_at, a.last_success_at,
       (SELECT count(*) FROM otp.factors AS f
         WHERE f.tenant_id = a.tenant_id AND f.account_id = a.account_id AND f.state = 'active')::integer AS active_factors,
       (SELECT count(*) FROM otp.factors AS f
         WHERE f.tenant_id = a.tenant_id AND f.account_id = a.account_id AND f.state IN ('active', 'suspended'))::integer AS held_factors,
       EXISTS (SELECT FROM otp.factors AS f
                WHERE f.tenant_id = a.tenant_id AND f.account_id = a.account_id AND f.state = 'active' AND f.type = 'email') AS has_email_factor
  FROM otp.accounts AS a;

GRANT SELECT, INSERT, UPDATE, DELETE ON
      otp.tenant_keys, otp.account_keys, otp.accounts, otp.factors, otp.challenges, otp.codes, otp.backup_codes,
      otp.trusted_devices, otp.assertion_keys
   TO deskfactor_otp_worker;
GRANT SELECT ON otp.account_facts TO deskfactor_policy, deskfactor_otp_worker;
GRANT SELECT ON otp.assertion_keys TO deskfactor_gateway;
