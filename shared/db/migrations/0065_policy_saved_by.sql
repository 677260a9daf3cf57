-- Who saved the policy that is in force: "why was this account locked" ends with a person.
SET ROLE deskfactor_owner;

-- The actor as messages name it: admin:<account id>, api_key:<id>. NULL: saved before this column was there, or by an
-- account that was erased since.
ALTER TABLE policy.policies ADD COLUMN saved_by text;
