-- Factors of an account that came under SSO lie dormant, and end when nobody has used one for long.
SET ROLE deskfactor_owner;

ALTER TABLE policy.accounts ADD COLUMN sso_since timestamptz;  -- since when it signs in through SSO; tenant time

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
       e.required_since AS individually_required_since,
       a.restarted_at, greatest(a.returned_at, e.resumed_at) AS notice_from, a.sso_since
  FROM policy.accounts AS a
  LEFT JOIN policy.policies AS p ON p.tenant_id = a.tenant_id
  LEFT JOIN policy.enforcements AS e ON e.tenant_id = a.tenant_id AND e.account_id = a.account_id
  LEFT JOIN policy.clocks AS c ON c.tenant_id = a.tenant_id;
