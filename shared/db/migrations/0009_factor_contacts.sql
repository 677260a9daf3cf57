-- Where factors get their codes, for policy: what happens to an account is told there, too. Sealed and masked only.
SET ROLE deskfactor_owner;

CREATE VIEW otp.factor_contacts AS
SELECT tenant_id, account_id, factor_id, type AS channel, contact_sealed, contact_masked, contact_digest
  FROM otp.factors
 WHERE type IN ('sms', 'email') AND state IN ('active', 'suspended') AND contact_sealed IS NOT NULL;

GRANT SELECT ON otp.factor_contacts TO deskfactor_policy;
