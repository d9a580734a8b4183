-- Anybody can send a webhook without a signature. What is about nothing of ours is marked, so that it can be counted and bounded by
-- itself. What came before counts as ours, and so does what a version stores that does not know the column.
SET LOCAL lock_timeout = '4s';
ALTER TABLE webhooks ADD COLUMN concerns_us boolean NOT NULL DEFAULT true;
