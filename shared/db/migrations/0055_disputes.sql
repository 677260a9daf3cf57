-- "This was not me", said of a notice: kept with its delivery, which outlives the link to say it by.
SET ROLE deskfactor_owner;

ALTER TABLE notifier.deliveries ADD COLUMN disputed_at timestamptz;
CREATE INDEX deliveries_disputed ON notifier.deliveries (tenant_id, account_id, disputed_at) WHERE disputed_at IS NOT NULL;

-- The admins are told of it, and of a recovery that nobody else can hear of: few rows among a million.
CREATE INDEX accounts_admins ON policy.accounts (tenant_id, account_id) WHERE role = 'admin';
