-- Whether admins have to prove themselves is a setting of the tenant's, which the gateway owns: before it is switched off
-- an admin proves that, too. Facts only: no address.
SET ROLE deskfactor_owner;

GRANT SELECT (tenant_id, account_id, role, is_active) ON policy.login_facts TO deskfactor_gateway;
GRANT SELECT ON otp.step_ups TO deskfactor_gateway;
