-- A sandbox's clock stops ten years ahead: instants past the year 9999 can be stored and not read, and the duties that
-- look at every tenant's clock (timers, deliveries, expiries) would fail for all of them.
SET ROLE deskfactor_owner;

ALTER TABLE policy.clocks ADD CONSTRAINT clocks_furthest CHECK (clock_offset <= interval '3653 days');
