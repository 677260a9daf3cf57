-- "This was not me" ends what was shown before it, too, and stops a recovery only where the notice is no older than that.
SET ROLE deskfactor_owner;

ALTER TABLE otp.accounts ADD COLUMN disputed_at timestamptz;       -- nothing shown up to then proves anything; tenant time
ALTER TABLE notifier.deliveries ADD COLUMN said_at timestamptz;    -- when it was handed in; tenant time
