-- Moving in and out: what came from another system, and the operator's permits without which nothing moves.
SET ROLE deskfactor_owner;

-- A keyed digest of what was taken over. It stays when the factor or the code ends, so that the same file, read again,
-- brings back nothing that its owner has removed or used here.
ALTER TABLE otp.factors ADD COLUMN imported_as text;
ALTER TABLE otp.backup_codes ADD COLUMN imported_as text;

-- How the code was written when it was hashed there. Such a hash rests under the account's data key: it may be of a
-- kind, or of so short a code, that whoever reads it has the code.
ALTER TABLE otp.backup_codes ADD COLUMN shape text CHECK (shape IS NULL OR imported_as IS NOT NULL);

CREATE INDEX factors_imported ON otp.factors (tenant_id, account_id) WHERE imported_as IS NOT NULL;

-- Written by the operator's role alone. A gateway that was broken into can send every message that there is, and still
-- neither plant factors nor have seeds sealed to a key of its own. System time.
CREATE TABLE otp.permits (
  tenant_id  uuid NOT NULL,
  permit_id  uuid NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('import', 'export')),
  recipient  text,  -- the public key that an export is sealed to
  actor      text NOT NULL,
  granted_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, permit_id),
  CHECK ((kind = 'export') = (recipient IS NOT NULL))
);
CALL bus.isolate_tenants('otp.permits');

GRANT SELECT, INSERT, UPDATE ON otp.permits TO deskfactor_operator;
GRANT SELECT ON otp.permits TO deskfactor_otp_worker;
