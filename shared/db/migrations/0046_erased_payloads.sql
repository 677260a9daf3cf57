-- What the audit log forgets of an erased account: its payloads, and the key, salt and id behind its pseudonym. The
-- entries stay, and the chain over them.
SET ROLE deskfactor_owner;

ALTER TABLE audit.account_keys ADD COLUMN made_at timestamptz NOT NULL DEFAULT now();

-- The service may add and nothing else; this is the one way on which something goes, and only for accounts that policy
-- has erased, and only what was known of them until then. Returns how many payloads went.
CREATE FUNCTION audit.erase_account(of_tenant uuid, of_account text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  gone bytea;
  payloads bigint;
BEGIN
  SELECT k.pseudonym INTO gone
    FROM audit.account_keys AS k
    JOIN policy.erased_accounts AS e ON e.tenant_id = k.tenant_id AND e.account_id = k.account_id
   WHERE k.tenant_id = of_tenant AND k.account_id = of_account AND k.made_at < e.erased_system_at;
  IF gone IS NULL THEN
    RETURN 0;
  END IF;
  DELETE FROM audit.payloads AS p USING audit.entries AS e
   WHERE e.tenant_id = of_tenant AND e.pseudonym = gone
     AND p.tenant_id = e.tenant_id AND p.seq = e.seq AND p.entry_id = e.entry_id;
  GET DIAGNOSTICS payloads = ROW_COUNT;
  DELETE FROM audit.account_keys WHERE tenant_id = of_tenant AND account_id = of_account AND pseudonym = gone;
  RETURN payloads;
END $$;
REVOKE EXECUTE ON FUNCTION audit.erase_account(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.erase_account(uuid, text) TO deskfactor_audit;
