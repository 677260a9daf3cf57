-- Two more indexes that are to be used by whom they are made for alone (see 0100): timers of a subject are found by it, and
-- not among all that are due; entries of an account by its pseudonym, and not among all of its tenant.
SET ROLE deskfactor_owner;

DROP INDEX policy.timers_due;
CREATE INDEX timers_due ON policy.timers (due_at, timer_id) WHERE state = 'pending' AND due_at IS NOT NULL;

-- A pseudonym is of one account of one tenant (an HMAC under a salt of its own). Behind the tenant it would be found by an
-- index that looks no better than the key's, which holds the tenant's whole log.
DROP INDEX audit.entries_of_account;
CREATE INDEX entries_of_account ON audit.entries (pseudonym, seq) WHERE pseudonym IS NOT NULL;

-- Of the release before: it asks for the earliest of all.
CREATE OR REPLACE FUNCTION policy.next_timer() RETURNS timestamptz LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  RETURN (SELECT due_at FROM policy.timers WHERE state = 'pending' AND due_at > '-infinity' ORDER BY due_at LIMIT 1);
END $$;
