-- The recoveries that are open, for who judges the code that proves one, and for who lets a trusted device in meanwhile.
SET ROLE deskfactor_owner;

CREATE VIEW policy.open_recoveries AS
SELECT r.tenant_id, r.account_id, r.recovery_id, r.state, r.draft_until, r.ready_at, r.executing_at
  FROM policy.recovery_requests AS r
 WHERE r.state IN ('draft', 'waiting');

GRANT SELECT ON policy.open_recoveries TO deskfactor_otp_worker;
