-- Leaving: accounts that a helpdesk has deleted. What is known of them goes, service by service; this row stays, so that
-- news from before does not bring them back.
SET ROLE deskfactor_owner;

CREATE TABLE policy.erasures (
  tenant_id        uuid NOT NULL,
  account_id       text NOT NULL,
  erasure_id       uuid NOT NULL,
  version          bigint,                -- the newest that the helpdesk told of the account, its end included
  told_at          timestamptz NOT NULL,  -- when the helpdesk said so
  erased_at        timestamptz NOT NULL,  -- tenant time, and not before anything that was decided about the account
  erased_system_at timestamptz NOT NULL,
  cleared_at       timestamptz,           -- otp_worker has destroyed what it had; until then the id is nobody's there
  PRIMARY KEY (tenant_id, account_id)
);
CALL bus.isolate_tenants('policy.erasures');

-- For whoever holds rows of accounts: of whom nothing may come back. `is_there`: the id was given to a new account.
CREATE VIEW policy.erased_accounts AS
SELECT e.tenant_id, e.account_id, e.erased_at, e.erased_system_at, e.cleared_at IS NOT NULL AS is_cleared,
       EXISTS (SELECT FROM policy.accounts AS a
                WHERE a.tenant_id = e.tenant_id AND a.account_id = e.account_id) AS is_there
  FROM policy.erasures AS e;

GRANT SELECT, INSERT, UPDATE ON policy.erasures TO deskfactor_policy;
GRANT DELETE ON policy.recovery_requests TO deskfactor_policy;
GRANT SELECT ON policy.erased_accounts TO deskfactor_policy, deskfactor_otp_worker, deskfactor_notifier, deskfactor_audit;

-- All that an account leaves behind is found by it.
CREATE INDEX timers_of_account ON policy.timers (tenant_id, account_id) WHERE account_id IS NOT NULL;
CREATE INDEX factors_of_account ON otp.factors (tenant_id, account_id);
CREATE INDEX challenges_of_account ON otp.challenges (tenant_id, account_id);
CREATE INDEX trusted_devices_of_account ON otp.trusted_devices (tenant_id, account_id);
CREATE INDEX deliveries_of_account ON notifier.deliveries (tenant_id, account_id);
CREATE INDEX sandbox_messages_of_account ON notifier.sandbox_messages (tenant_id, account_id);

GRANT DELETE ON notifier.deliveries TO deskfactor_notifier;

-- Whose request an answer belongs to; NULL: it concerns no account, or its request did not name one.
ALTER TABLE bus.answers ADD COLUMN account_id text;
CREATE INDEX answers_of_account ON bus.answers (tenant_id, account_id) WHERE account_id IS NOT NULL;
