-- Where a tenant's events go is an admin's word, too: the notifier asks what every service asks that does what an admin
-- says. Facts only. And a step-up by a code ends with the codes: new ones were made, or the owner said "not me".
SET ROLE deskfactor_owner;

GRANT SELECT (tenant_id, account_id, role, is_active) ON policy.login_facts TO deskfactor_notifier;
GRANT SELECT ON otp.step_ups TO deskfactor_notifier;

CREATE OR REPLACE VIEW otp.step_ups AS
SELECT c.tenant_id, c.challenge_id, c.account_id, c.purpose, c.verified_by, c.verified_at,
       c.factor_epoch = a.factor_epoch
         AND (c.verified_factor_id IS NOT NULL
              OR a.proofs_from IS NULL
              OR a.proofs_from < c.verified_at
              OR a.carried_proof_id IS NOT DISTINCT FROM c.challenge_id) AS is_of_this_epoch
  FROM otp.challenges AS c
  JOIN otp.accounts AS a ON a.tenant_id = c.tenant_id AND a.account_id = c.account_id
 WHERE c.purpose = 'step_up' AND c.state IN ('verified', 'redeemed');
