-- A challenge that was passed on a hosted page is told to the helpdesk by a code in an address: good once, for a minute.
--
-- Only the digest of the code is kept. `redeemable_until` is system time. A trust that the person asked for is made
-- when the code is redeemed, so that its token rests nowhere in between.
SET ROLE deskfactor_owner;

ALTER TABLE otp.challenges
  ADD COLUMN redeem_digest    bytea CHECK (length(redeem_digest) = 32),  -- NULL: passed through the API
  ADD COLUMN redeemable_until timestamptz,
  ADD COLUMN trusts_device    text,  -- the name of the browser that is to be trusted; NULL: none is
  ADD CHECK ((redeem_digest IS NULL) = (redeemable_until IS NULL)),
  ADD CHECK (redeem_digest IS NULL OR state IN ('verified', 'redeemed'));
