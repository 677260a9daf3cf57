-- A hosted page that was opened for an account which is erased since is nobody's: whoever has the id now did not open it.
SET ROLE deskfactor_owner;

GRANT SELECT ON policy.erased_accounts TO deskfactor_gateway;
