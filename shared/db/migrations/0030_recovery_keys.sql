-- Backup codes, recovery keys and recovery codes are lanes of their own, each with its count of failures; and when the
-- recovery key was made that is good now, whether somebody said that it is saved. Tenant time.
SET ROLE deskfactor_owner;

ALTER TABLE otp.accounts
  ADD COLUMN key_day_started_at           timestamptz,
  ADD COLUMN key_day_failures             integer NOT NULL DEFAULT 0,
  ADD COLUMN recovery_code_day_started_at timestamptz,
  ADD COLUMN recovery_code_day_failures   integer NOT NULL DEFAULT 0,
  ADD COLUMN recovery_key_made_at         timestamptz,
  ADD COLUMN recovery_key_acknowledged_at timestamptz;
