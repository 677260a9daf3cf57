-- Codes that are shown before the first factor is active wait for it: they open nothing, and are void when it is not
-- proved in time.
SET ROLE deskfactor_owner;

ALTER TABLE otp.backup_codes
  ADD COLUMN pending_until   timestamptz,  -- NULL: good; else until when the enrolment may be finished. Tenant time
  ADD COLUMN acknowledged_at timestamptz;  -- of pending ones: the person said that they are saved

CREATE INDEX backup_codes_abandoned ON otp.backup_codes (pending_until)
 WHERE pending_until IS NOT NULL AND voided_at IS NULL;
CREATE POLICY work_queue ON otp.backup_codes USING ((SELECT bus.on_work_queues()));

CREATE OR REPLACE VIEW otp.factor_usage AS
SELECT a.tenant_id, a.account_id, a.first_enrolled_at, a.last_success_at,
       f.factor_types, f.active_factors, f.suspended_factors, b.backup_codes_left
  FROM otp.accounts AS a
 CROSS JOIN LATERAL (
         SELECT coalesce(array_agg(DISTINCT each.type ORDER BY each.type) FILTER (WHERE each.state = 'active'), '{}')
                  AS factor_types,
                (count(*) FILTER (WHERE each.state = 'active'))::integer AS active_factors,
                (count(*) FILTER (WHERE each.state = 'suspended'))::integer AS suspended_factors
           FROM otp.factors AS each
          WHERE each.tenant_id = a.tenant_id AND each.account_id = a.account_id
            AND each.state IN ('active', 'suspended')) AS f
 CROSS JOIN LATERAL (
         SELECT count(*)::integer AS backup_codes_left
           FROM otp.backup_codes AS each
          WHERE each.tenant_id = a.tenant_id AND each.account_id = a.account_id AND each.kind = 'backup_code'
            AND each.used_at IS NULL AND each.voided_at IS NULL AND each.pending_until IS NULL) AS b;
