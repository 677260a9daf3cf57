-- An erasure is over when every service has done its part, not otp_worker alone. Those from before count as over there.
SET ROLE deskfactor_owner;

ALTER TABLE policy.erasures ADD COLUMN notifier_cleared_at timestamptz DEFAULT now();  -- what was sent is forgotten
ALTER TABLE policy.erasures ADD COLUMN audit_cleared_at timestamptz DEFAULT now();     -- payloads and the key are gone
ALTER TABLE policy.erasures ALTER COLUMN notifier_cleared_at DROP DEFAULT;
ALTER TABLE policy.erasures ALTER COLUMN audit_cleared_at DROP DEFAULT;
