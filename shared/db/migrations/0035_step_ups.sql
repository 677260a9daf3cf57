-- Challenges that were passed, for whoever does what an admin says: facts only, no code, no address.
SET ROLE deskfactor_owner;

CREATE VIEW otp.step_ups AS
SELECT c.tenant_id, c.challenge_id, c.account_id, c.purpose, c.verified_by, c.verified_at,
       c.factor_epoch = a.factor_epoch AS is_of_this_epoch
  FROM otp.challenges AS c
  JOIN otp.accounts AS a ON a.tenant_id = c.tenant_id AND a.account_id = c.account_id
 WHERE c.purpose = 'step_up' AND c.state IN ('verified', 'redeemed');

GRANT SELECT ON otp.step_ups TO deskfactor_policy, deskfactor_otp_worker;
