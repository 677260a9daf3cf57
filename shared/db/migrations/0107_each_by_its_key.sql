-- A view that asks whether there is one asks by its key (`OFFSET 0`). Among few rows it is cheaper to read the whole table
-- once and remember it, and a plan that was made then went on reading it when it had grown.
SET ROLE deskfactor_owner;

CREATE OR REPLACE VIEW otp.account_facts AS
SELECT a.tenant_id, a.account_id, a.first_enrolled_at, a.last_success_at,
       (SELECT count(*) FROM otp.factors AS f
         WHERE f.tenant_id = a.tenant_id AND f.account_id = a.account_id AND f.state = 'active')::integer AS active_factors,
       (SELECT count(*) FROM otp.factors AS f
         WHERE f.tenant_id = a.tenant_id AND f.account_id = a.account_id AND f.state IN ('active', 'suspended'))::integer AS held_factors,
       EXISTS (SELECT FROM otp.factors AS f
                WHERE f.tenant_id = a.tenant_id AND f.account_id = a.account_id AND f.state = 'active' AND f.type = 'email'
               OFFSET 0) AS has_email_factor
  FROM otp.accounts AS a;

CREATE OR REPLACE VIEW policy.erased_accounts AS
SELECT e.tenant_id, e.account_id, e.erased_at, e.erased_system_at, e.cleared_at IS NOT NULL AS is_cleared,
       EXISTS (SELECT FROM policy.accounts AS a
                WHERE a.tenant_id = e.tenant_id AND a.account_id = e.account_id OFFSET 0) AS is_there
  FROM policy.erasures AS e;
