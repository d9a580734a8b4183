-- When the hold of an order that waited began; null for all others, whose hold began when they were decided.
SET LOCAL lock_timeout = '4s';
ALTER TABLE orders ADD COLUMN held_at timestamptz;
