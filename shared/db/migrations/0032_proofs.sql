-- A step-up is worth what proved it: a factor that is gone since, or codes that are void, prove nothing any more.
SET ROLE deskfactor_owner;

ALTER TABLE otp.challenges ADD COLUMN verified_factor_id uuid;  -- NULL: a code stood in for a factor, or a mailbox
ALTER TABLE otp.factors ADD COLUMN proof_challenge_id uuid;     -- the step-up that its enrolment began on
ALTER TABLE otp.accounts
  ADD COLUMN proofs_from      timestamptz,  -- proofs by codes before this are over; tenant time
  ADD COLUMN carried_proof_id uuid;         -- but for the one on which factor or codes were replaced
