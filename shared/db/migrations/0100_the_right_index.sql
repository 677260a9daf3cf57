-- A row is found by its key, whatever the planner believes. A range that was just made looks empty, and in an empty table
-- every index costs the same: a plan that is kept then may read all that a tenant has, for each row that it looks for,
-- until somebody counts the table. So an index says in its predicate which column it is for: whoever does not compare
-- that column cannot use it.
SET ROLE deskfactor_owner;

DROP INDEX otp.challenges_open, otp.challenges_expiring, otp.challenges_of_account;
CREATE INDEX challenges_expiring ON otp.challenges (expires_at) WHERE state = 'open' AND expires_at IS NOT NULL;
CREATE INDEX challenges_open ON otp.challenges (tenant_id, account_id) WHERE state = 'open' AND account_id IS NOT NULL;
CREATE INDEX challenges_of_account ON otp.challenges (tenant_id, account_id) WHERE account_id IS NOT NULL;

DROP INDEX otp.factors_by_account, otp.factors_pending, otp.factors_of_account;
CREATE INDEX factors_pending ON otp.factors (expires_at) WHERE state = 'pending' AND expires_at IS NOT NULL;
CREATE INDEX factors_by_account ON otp.factors (tenant_id, account_id)
 WHERE state IN ('pending', 'active', 'suspended') AND account_id IS NOT NULL;
CREATE INDEX factors_of_account ON otp.factors (tenant_id, account_id) WHERE account_id IS NOT NULL;

DROP INDEX otp.trusted_devices_by_token, otp.trusted_devices_by_account, otp.trusted_devices_of_account;
CREATE UNIQUE INDEX trusted_devices_by_token ON otp.trusted_devices (tenant_id, token_digest) WHERE token_digest IS NOT NULL;
CREATE INDEX trusted_devices_of_account ON otp.trusted_devices (tenant_id, account_id) WHERE account_id IS NOT NULL;

DROP INDEX bus.outbox_unpublished;
CREATE INDEX outbox_unpublished ON bus.outbox (sweep_at) WHERE published_at IS NULL AND sweep_at IS NOT NULL;

DROP INDEX notifier.deliveries_queued, notifier.deliveries_sending, notifier.deliveries_of_account;
CREATE INDEX deliveries_queued ON notifier.deliveries (channel, next_attempt_at)
 WHERE state = 'queued' AND next_attempt_at IS NOT NULL;
CREATE INDEX deliveries_sending ON notifier.deliveries (lease_until) WHERE state = 'sending' AND lease_until IS NOT NULL;
CREATE INDEX deliveries_of_account ON notifier.deliveries (tenant_id, account_id) WHERE account_id IS NOT NULL;

DROP INDEX notifier.sandbox_messages_of_account;
CREATE INDEX sandbox_messages_of_account ON notifier.sandbox_messages (tenant_id, account_id) WHERE account_id IS NOT NULL;

DROP INDEX notifier.webhooks_by_id, notifier.webhooks_of_endpoint;
CREATE INDEX webhooks_by_id ON notifier.webhook_deliveries (tenant_id, delivery_id) WHERE delivery_id IS NOT NULL;
CREATE INDEX webhooks_of_endpoint ON notifier.webhook_deliveries (tenant_id, endpoint_id, delivery_id)
 WHERE delivery_id IS NOT NULL;

DROP INDEX policy.recovery_requests_open, policy.recovery_requests_by_account;
CREATE INDEX recovery_requests_by_account ON policy.recovery_requests (tenant_id, account_id, requested_at)
 WHERE account_id IS NOT NULL;
CREATE UNIQUE INDEX recovery_requests_open ON policy.recovery_requests (tenant_id, account_id)
 WHERE state IN ('draft', 'waiting') AND account_id IS NOT NULL;

-- The same one twice: accounts_of_admins is the other.
DROP INDEX policy.accounts_admins;

ALTER TABLE audit.account_keys DROP CONSTRAINT account_keys_tenant_id_pseudonym_key;
CREATE UNIQUE INDEX account_keys_by_pseudonym ON audit.account_keys (tenant_id, pseudonym) WHERE pseudonym IS NOT NULL;

-- Every few seconds somebody asks which sandboxes' clocks were moved: few, however many tenants there are.
CREATE INDEX clocks_moved ON policy.clocks (tenant_id) WHERE clock_offset > interval '0';

-- What was granted to an account is found by its key (`OFFSET 0`), and not by reading what the tenant granted to all.
CREATE OR REPLACE VIEW policy.login_facts AS
SELECT a.tenant_id, a.account_id, a.role, a.is_active, a.is_sso, a.created_at, a.left_sso_at, a.role_changed_at,
       a.email_sealed, a.email_masked, a.email_digest, a.email_verified, a.email_proved_at, a.email_changed_at,
       a.former_email, a.former_email_until,
       a.phone_sealed, a.phone_masked, a.phone_digest, a.locale, a.time_zone, a.password_changed_at,
       p.version AS policy_version, p.policy,
       (p.requirements -> a.role ->> 'since')::timestamptz AS required_since,
       coalesce(e.is_required, false) AS is_individually_required,
       e.exempt_until, e.extended_until, e.must_enrol_since,
       now() + coalesce(c.clock_offset, interval '0') AS tenant_now,
       p.requirements -> a.role AS covered, p.earlier AS earlier_policies,
       e.required_since AS individually_required_since,
       a.restarted_at, greatest(a.returned_at, e.resumed_at) AS notice_from, a.sso_since
  FROM policy.accounts AS a
  LEFT JOIN policy.policies AS p ON p.tenant_id = a.tenant_id
  LEFT JOIN LATERAL (
       SELECT is_required, exempt_until, extended_until, must_enrol_since, required_since, resumed_at
         FROM policy.enforcements AS own
        WHERE own.tenant_id = a.tenant_id AND own.account_id = a.account_id OFFSET 0) AS e ON true
  LEFT JOIN policy.clocks AS c ON c.tenant_id = a.tenant_id;
