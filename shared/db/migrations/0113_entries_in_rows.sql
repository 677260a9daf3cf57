-- Entries to be appended, as rows: ten arrays, one for each column, took the service half as long again to write, and
-- PostgreSQL to read.
SET ROLE deskfactor_owner;

CREATE TYPE audit.new_entry AS (
  tenant_id      uuid,
  seq            bigint,
  entry_id       uuid,
  kind           text,
  at             timestamptz,
  pseudonym      bytea,
  payload_digest bytea,
  previous_hash  bytea,
  hash           bytea,
  sealed         bytea  -- NULL: the payload is not kept
);
