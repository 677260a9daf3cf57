-- Enforcement of one account, the notice that a replaced policy still owes, and since when sessions are good.
SET ROLE deskfactor_owner;

-- Policies replaced within a day, [{"policy": …, "replaced_at": …}]: who had until later under one keeps a day of it.
ALTER TABLE policy.policies ADD COLUMN earlier jsonb NOT NULL DEFAULT '[]';

-- Since when this one account is required, whatever the policy says.
ALTER TABLE policy.enforcements ADD COLUMN required_since timestamptz;

-- Sessions begun before are to end: a lock, a reset, a recovery, "this was not me".
ALTER TABLE policy.accounts ADD COLUMN sessions_valid_from timestamptz;

-- The guard of the last admins looks for one who can still get in, among however many accounts.
CREATE INDEX accounts_of_admins ON policy.accounts (tenant_id, account_id) WHERE role = 'admin';

CREATE OR REPLACE VIEW policy.login_facts AS
SELECT a.tenant_id, a.account_id, a.role, a.is_active, a.is_sso, a.created_at, a.left_sso_at, a.role_changed_at,
       a.email_sealed, a.email_masked, a.email_digest, a.email_verified, a.email_proved_at, a.email_changed_at,
       a.former_email, a.former_email_until,
       a.phone_sealed, a.phone_masked, a.phone_digest, a.locale, a.time_zone, a.password_changed_at,
       p.version AS policy_version, p.policy,
       (p.requirements -> a.role ->> 'since')::timestamptz AS required_since,
       coalesce(e.is_required, false) AS is_individually_required,
       e.exempt_until, e.extended_until, e.must_enrol_since,
       now() + coalesce(c.clock_offset, interval '0') AS tenant_now,
       p.requirements -> a.role AS covered, p.earlier AS earlier_policies,
       e.required_since AS individually_required_since
  FROM policy.accounts AS a
  LEFT JOIN policy.policies AS p ON p.tenant_id = a.tenant_id
  LEFT JOIN policy.enforcements AS e ON e.tenant_id = a.tenant_id AND e.account_id = a.account_id
  LEFT JOIN policy.clocks AS c ON c.tenant_id = a.tenant_id;
