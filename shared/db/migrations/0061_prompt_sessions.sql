-- A hosted page is opened by an address that is good once, and goes on under a cookie: one row from the first to the end.
--
-- Of both secrets only the SHA-256 is kept. All instants are system time. Rows are purged when their time is over.
SET ROLE deskfactor_owner;

CREATE TABLE gateway.prompt_sessions (
  tenant_id     uuid NOT NULL,
  session_id    uuid NOT NULL,
  kind          text NOT NULL CHECK (kind IN ('sign_in', 'enrol', 'recovery', 'security', 'admin')),
  account_id    text NOT NULL,
  challenge_id  uuid,
  return_url    text NOT NULL,  -- was one of the tenant's when the session was made
  state         text,           -- the helpdesk's own word, given back to it
  token_digest  bytea NOT NULL CHECK (length(token_digest) = 32),  -- of the one-time address
  cookie_digest bytea CHECK (length(cookie_digest) = 32),          -- NULL: not opened yet
  created_at    timestamptz NOT NULL DEFAULT now(),
  expires_at    timestamptz NOT NULL,  -- of the address; once it is opened, of the session
  PRIMARY KEY (tenant_id, session_id),
  CHECK (kind <> 'sign_in' OR challenge_id IS NOT NULL)
);
CREATE INDEX prompt_sessions_by_age ON gateway.prompt_sessions (expires_at);
CALL bus.isolate_tenants('gateway.prompt_sessions', is_work_queue => true);

GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.prompt_sessions TO deskfactor_gateway;
