-- Policy's own: clocks, accounts, policies, enforcement, recovery requests, timers.
SET ROLE deskfactor_owner;

-- Tenant time is now() + clock_offset. A live tenant's clock is everybody's.
CREATE TABLE policy.clocks (
  tenant_id    uuid PRIMARY KEY,
  is_sandbox   boolean NOT NULL,
  clock_offset interval NOT NULL DEFAULT '0',
  CHECK (is_sandbox OR clock_offset = interval '0'),
  CHECK (clock_offset >= interval '0')
);
CALL bus.isolate_tenants('policy.clocks', is_work_queue => true);

CREATE FUNCTION policy.tenant_now(of_tenant uuid) RETURNS timestamptz LANGUAGE sql STABLE
RETURN now() + coalesce((SELECT clock_offset FROM policy.clocks WHERE tenant_id = of_tenant), interval '0');

CREATE TABLE policy.accounts (
  tenant_id           uuid NOT NULL,
  account_id          text NOT NULL CHECK (account_id ~ '^[A-Za-z0-9._~-]{1,128}$'),
  role                text NOT NULL CHECK (role IN ('customer', 'collaborator', 'agent', 'admin')),
  email_sealed        text,
  email_masked        text,
  email_digest        text,
  email_verified      boolean NOT NULL DEFAULT false,  -- the helpdesk says so: serves notices
  email_proved_at     timestamptz,                     -- a mailed code came back here: serves recovery
  email_changed_at    timestamptz,
  -- A replaced address hears of things for 30 days more. While it does, another change does not push it out: two
  -- changes in a row would silence the owner.
  former_email        jsonb,
  former_email_until  timestamptz,
  phone_sealed        text,
  phone_masked        text,
  phone_digest        text,
  locale              text NOT NULL DEFAULT 'en',
  time_zone           text NOT NULL DEFAULT 'UTC',
  is_sso              boolean NOT NULL DEFAULT false,
  is_active           boolean NOT NULL DEFAULT true,
  version             bigint,
  password_changed_at timestamptz,
  left_sso_at         timestamptz,
  role_changed_at     timestamptz,                     -- from a role that the policy did not cover
  created_at          timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, account_id),
  CHECK ((email_sealed IS NULL) = (email_masked IS NULL) AND (email_sealed IS NULL) = (email_digest IS NULL)),
  CHECK ((phone_sealed IS NULL) = (phone_masked IS NULL) AND (phone_sealed IS NULL) = (phone_digest IS NULL))
);
CALL bus.isolate_tenants('policy.accounts');

CREATE TABLE policy.policies (
  tenant_id          uuid PRIMARY KEY,
  version            integer NOT NULL CHECK (version > 0),
  policy             jsonb NOT NULL,
  -- By role, {"since": …, "until": …}: since when the policy covers it, and until when it did. Off and on within 30 days
  -- is no new start; a role that is covered later has its own.
  requirements       jsonb NOT NULL DEFAULT '{}',
  updated_at         timestamptz NOT NULL
);
CALL bus.isolate_tenants('policy.policies');

-- What cannot be computed: what was given, said and granted to one account.
CREATE TABLE policy.enforcements (
  tenant_id       uuid NOT NULL,
  account_id      text NOT NULL,
  is_required     boolean NOT NULL DEFAULT false,  -- this one account, whatever the policy says
  exempt_until    timestamptz,
  extended_until  timestamptz,                     -- an admin's unlock or extension
  must_enrol_since timestamptz,                    -- after a reset or a recovery
  announced_at    timestamptz,                     -- the requirement's notice was given, with this deadline
  announced_deadline timestamptz,
  locked_out_at   timestamptz,                     -- the lock that was announced
  PRIMARY KEY (tenant_id, account_id)
);
CALL bus.isolate_tenants('policy.enforcements');

CREATE TABLE policy.recovery_requests (
  tenant_id      uuid NOT NULL,
  recovery_id    uuid NOT NULL,
  account_id     text NOT NULL,
  state          text NOT NULL CHECK (state IN ('draft', 'waiting', 'executed', 'cancelled', 'denied', 'expired', 'superseded')),
  challenge_id   uuid NOT NULL,          -- the newest that was opened to prove the mailbox
  challenge_opened_at timestamptz NOT NULL,
  mailbox_masked text NOT NULL,
  requested_at   timestamptz NOT NULL,
  draft_until    timestamptz NOT NULL,
  proved_at      timestamptz,
  ready_at       timestamptz,
  heard_at       timestamptz,  -- a provider took a notice to somewhere else than the mailbox
  delays         smallint NOT NULL DEFAULT 0,  -- days added because nobody heard of it
  executing_at   timestamptz,  -- handed to otp_worker: from here it cannot be cancelled
  ended_at       timestamptz,
  end_reason     text,
  context        jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (tenant_id, recovery_id),
  CHECK (state <> 'waiting' OR (proved_at IS NOT NULL AND ready_at IS NOT NULL)),
  CHECK ((state IN ('draft', 'waiting')) = (ended_at IS NULL))
);
CREATE UNIQUE INDEX recovery_requests_open ON policy.recovery_requests (tenant_id, account_id) WHERE state IN ('draft', 'waiting');
CREATE INDEX recovery_requests_by_account ON policy.recovery_requests (tenant_id, account_id, requested_at);
CALL bus.isolate_tenants('policy.recovery_requests');

-- due_at is system time; moving a sandbox's clock moves its pending timers. One pending timer a kind and subject.
CREATE TABLE policy.timers (
  timer_id   uuid PRIMARY KEY,
  tenant_id  uuid NOT NULL,
  account_id text,
  subject    text NOT NULL,  -- what it is about: an account, a recovery request, and the stage
  kind       text NOT NULL,  -- the type of the command that it fires
  payload    jsonb NOT NULL,
  correlation_id uuid NOT NULL,
  causation_id   uuid NOT NULL,
  due_at     timestamptz NOT NULL,
  armed_at   timestamptz NOT NULL DEFAULT now(),
  state      text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'fired', 'cancelled')),
  ended_at   timestamptz,
  CHECK ((state = 'pending') = (ended_at IS NULL))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX timers_pending ON policy.timers (tenant_id, subject, kind) WHERE state = 'pending';
CREATE INDEX timers_due ON policy.timers (due_at, timer_id) WHERE state = 'pending';
CREATE INDEX timers_ended ON policy.timers (ended_at) WHERE state <> 'pending';
CALL bus.isolate_tenants('policy.timers', is_work_queue => true);

-- Ends up to `at_most` timers that are due by this clock and by the caller's, and gives them to be fired. A function for
-- the reason told in 0003: its plan must not depend on how full the table was when somebody first asked.
CREATE FUNCTION policy.claim_timers(host_now timestamptz, at_most integer)
RETURNS TABLE (timer_id uuid, tenant_id uuid, account_id text, kind text, payload jsonb, correlation_id uuid,
               causation_id uuid, due_at timestamptz, fired_at timestamptz, tenant_now timestamptz)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT timer_id FROM policy.timers
     WHERE state = 'pending' AND due_at <= least(now(), host_now)
     ORDER BY due_at, timer_id LIMIT at_most FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE policy.timers AS t SET state = 'fired', ended_at = now()
    FROM due WHERE t.timer_id = due.timer_id
  RETURNING t.timer_id, t.tenant_id, t.account_id, t.kind, t.payload, t.correlation_id, t.causation_id, t.due_at,
            now(), policy.tenant_now(t.tenant_id);
END $$;

-- When the next timer is due; NULL: there is none.
CREATE FUNCTION policy.next_timer() RETURNS timestamptz LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  RETURN (SELECT due_at FROM policy.timers WHERE state = 'pending' ORDER BY due_at LIMIT 1);
END $$;

-- All that a login decision needs to know of an account; otp_worker reads it in the transaction of the decision.
CREATE VIEW policy.login_facts AS
SELECT a.tenant_id, a.account_id, a.role, a.is_active, a.is_sso, a.created_at, a.left_sso_at, a.role_changed_at,
       a.email_sealed, a.email_masked, a.email_digest, a.email_verified, a.email_proved_at, a.email_changed_at,
       a.former_email, a.former_email_until,
       a.phone_sealed, a.phone_masked, a.phone_digest, a.locale, a.time_zone, a.password_changed_at,
       p.version AS policy_version, p.policy,
       (p.requirements -> a.role ->> 'since')::timestamptz AS required_since,
       coalesce(e.is_required, false) AS is_individually_required,
       e.exempt_until, e.extended_until, e.must_enrol_since,
       now() + coalesce(c.clock_offset, interval '0') AS tenant_now
  FROM policy.accounts AS a
  LEFT JOIN policy.policies AS p ON p.tenant_id = a.tenant_id
  LEFT JOIN policy.enforcements AS e ON e.tenant_id = a.tenant_id AND e.account_id = a.account_id
  LEFT JOIN policy.clocks AS c ON c.tenant_id = a.tenant_id;

GRANT SELECT, INSERT, UPDATE ON policy.clocks TO deskfactor_policy, deskfactor_operator;
GRANT SELECT ON policy.clocks TO deskfactor_gateway, deskfactor_otp_worker, deskfactor_notifier, deskfactor_audit;
GRANT SELECT, INSERT, UPDATE, DELETE ON policy.accounts, policy.enforcements, policy.timers TO deskfactor_policy;
GRANT SELECT, INSERT, UPDATE ON policy.policies, policy.recovery_requests TO deskfactor_policy;
GRANT SELECT ON policy.login_facts TO deskfactor_policy, deskfactor_otp_worker;

-- A tenant's profile and clock together, for who works on a queue of all tenants.
CREATE VIEW gateway.tenants_at_work AS
SELECT t.tenant_id, t.name, t.is_sandbox, t.settings, coalesce(c.clock_offset, interval '0') AS clock_offset
  FROM gateway.tenants AS t LEFT JOIN policy.clocks AS c ON c.tenant_id = t.tenant_id;

GRANT SELECT ON gateway.tenants_at_work
   TO deskfactor_gateway, deskfactor_otp_worker, deskfactor_policy, deskfactor_notifier, deskfactor_audit, deskfactor_operator;
