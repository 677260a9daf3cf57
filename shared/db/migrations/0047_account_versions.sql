-- By which version each fact of an account was last told, {"email": 7, …}; "account": the last whole one. News arrive in
-- any order, and some tell one fact only. Empty: all of it by `version`.
SET ROLE deskfactor_owner;

ALTER TABLE policy.accounts ADD COLUMN versions jsonb NOT NULL DEFAULT '{}';
