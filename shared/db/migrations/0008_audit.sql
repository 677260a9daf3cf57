-- Audit's own: the chain of every tenant, the payloads apart from it, and the keys under which these rest.
SET ROLE deskfactor_owner;

CREATE TABLE audit.tenant_keys (
  tenant_id uuid PRIMARY KEY,
  wrapped   text NOT NULL  -- the tenant's data key, sealed with the ring `rest.audit`
);
CALL bus.isolate_tenants('audit.tenant_keys');

-- Gone when the account is erased: then nobody can open its payloads, nor tell that its pseudonym was this account.
CREATE TABLE audit.account_keys (
  tenant_id  uuid NOT NULL,
  account_id text NOT NULL,
  salt       bytea NOT NULL CHECK (length(salt) = 32),
  pseudonym  bytea NOT NULL CHECK (length(pseudonym) = 32),  -- HMAC-SHA-256(salt, account id)
  wrapped    bytea NOT NULL,  -- the account's data key under its tenant's
  PRIMARY KEY (tenant_id, account_id),
  UNIQUE (tenant_id, pseudonym)
);
CALL bus.isolate_tenants('audit.account_keys');

-- The chain. A row is never changed and never deleted; what may have to go is in audit.payloads.
CREATE TABLE audit.entries (
  tenant_id      uuid NOT NULL,
  seq            bigint NOT NULL CHECK (seq > 0),  -- 1, 2, 3 … within the tenant
  entry_id       uuid NOT NULL,                    -- the event's id
  kind           text NOT NULL,                    -- the event's type
  at             timestamptz NOT NULL,             -- the event's time
  pseudonym      bytea CHECK (length(pseudonym) = 32),  -- NULL: concerns no account
  payload_digest bytea NOT NULL CHECK (length(payload_digest) = 32),  -- SHA-256 of the sealed payload
  previous_hash  bytea NOT NULL CHECK (length(previous_hash) = 32),
  hash           bytea NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (tenant_id, seq, entry_id)
) PARTITION BY RANGE (entry_id);
CREATE TABLE audit.entries_default PARTITION OF audit.entries DEFAULT;
CREATE INDEX entries_of_account ON audit.entries (tenant_id, pseudonym, seq) WHERE pseudonym IS NOT NULL;
INSERT INTO bus.partitioned VALUES ('audit.entries', '28 days', NULL);
CALL bus.isolate_tenants('audit.entries');

-- The whole event, sealed. Erasure and retention delete rows here, and the chain still verifies.
CREATE TABLE audit.payloads (
  tenant_id uuid NOT NULL,
  seq       bigint NOT NULL,
  entry_id  uuid NOT NULL,
  sealed    bytea NOT NULL,
  PRIMARY KEY (tenant_id, seq, entry_id)
) PARTITION BY RANGE (entry_id);
CREATE TABLE audit.payloads_default PARTITION OF audit.payloads DEFAULT;
INSERT INTO bus.partitioned VALUES ('audit.payloads', '28 days', NULL);
CALL bus.isolate_tenants('audit.payloads');

-- The end of each chain, and the end that was signed last. Its row's lock is what puts entries in order.
CREATE TABLE audit.heads (
  tenant_id   uuid PRIMARY KEY,
  seq         bigint NOT NULL DEFAULT 0,
  hash        bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (length(hash) = 32),
  signed_seq  bigint NOT NULL DEFAULT 0 CHECK (signed_seq <= seq),
  signed_hash bytea CHECK (length(signed_hash) = 32),
  signed_at   timestamptz,  -- system time
  signature   bytea CHECK (length(signature) = 64),
  key_id      text,
  CHECK (num_nulls(signed_hash, signed_at, signature, key_id) = CASE WHEN signed_seq = 0 THEN 4 ELSE 0 END)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CALL bus.isolate_tenants('audit.heads', is_work_queue => true);  -- the next head to sign is whosever it is

-- Public halves of the keys that sign heads.
CREATE TABLE audit.signing_keys (
  key_id     text PRIMARY KEY,
  public_key bytea NOT NULL CHECK (length(public_key) = 32),
  created_at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT, INSERT ON audit.tenant_keys, audit.account_keys, audit.entries, audit.payloads, audit.signing_keys
   TO deskfactor_audit;
GRANT SELECT, INSERT, UPDATE ON audit.heads TO deskfactor_audit;
GRANT SELECT ON audit.entries, audit.payloads, audit.heads, audit.signing_keys TO deskfactor_operator;
