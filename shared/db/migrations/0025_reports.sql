-- Reports: the list of who uses a second factor, written a page at a time; its content rests sealed until it expires.
SET ROLE deskfactor_owner;

CREATE TABLE policy.reports (
  tenant_id         uuid NOT NULL,
  report_id         uuid NOT NULL,
  state             text NOT NULL CHECK (state IN ('running', 'ready', 'expired')),
  role              text CHECK (role IN ('customer', 'collaborator', 'agent', 'admin')),
  enforcement_state text CHECK (enforcement_state IN (
                      'not_required', 'exempt', 'satisfied', 'grace', 'must_enrol', 'locked_out')),
  mail_to           text,                          -- the account of an admin
  -- Where the next page begins. They move in the transaction that stores the page before: a crash repeats a page or
  -- none, and never writes one twice.
  next_page         integer NOT NULL DEFAULT 0,
  cursor            text NOT NULL DEFAULT '',
  accounts_total    integer,
  accounts_done     integer NOT NULL DEFAULT 0,
  accounts_written  integer NOT NULL DEFAULT 0,
  chunks            integer NOT NULL DEFAULT 0,
  size_bytes        bigint NOT NULL DEFAULT 0,     -- of the file, as it is downloaded
  token_digest      bytea CHECK (length(token_digest) = 32),  -- SHA-256 of the mailed link's token: 256 random bits
  downloads_left    smallint CHECK (downloads_left >= 0),
  requested_at      timestamptz NOT NULL,          -- these four: tenant time
  ready_at          timestamptz,
  expires_at        timestamptz NOT NULL,
  ended_at          timestamptz,
  PRIMARY KEY (tenant_id, report_id),
  CHECK ((token_digest IS NULL) = (downloads_left IS NULL)),
  CHECK (state <> 'ready' OR ready_at IS NOT NULL),
  CHECK ((state = 'expired') = (ended_at IS NOT NULL))
);
CALL bus.isolate_tenants('policy.reports');

CREATE TABLE policy.report_chunks (
  tenant_id  uuid NOT NULL,
  report_id  uuid NOT NULL,
  number     integer NOT NULL,
  sealed     text NOT NULL,  -- compressed (RFC 1950), then sealed with the ring `seal.policy`
  PRIMARY KEY (tenant_id, report_id, number)
);
ALTER TABLE policy.report_chunks ALTER COLUMN sealed SET STORAGE EXTERNAL;  -- there is nothing left to compress
CALL bus.isolate_tenants('policy.report_chunks');

-- What a report says of an account's factors: facts only, no name, no contact.
CREATE VIEW otp.factor_usage AS
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
            AND each.used_at IS NULL AND each.voided_at IS NULL) AS b;

GRANT SELECT, INSERT, UPDATE, DELETE ON policy.reports, policy.report_chunks TO deskfactor_policy;
GRANT SELECT ON otp.factor_usage TO deskfactor_policy;
