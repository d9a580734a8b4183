-- Whoever wakes what was forgotten claims it for a short while, publishes its message, and only then notes that it was
-- woken. New columns without a default touch no row.
SET LOCAL lock_timeout = '4s';
ALTER TABLE payments ADD COLUMN claimed_until timestamptz;
ALTER TABLE refunds ADD COLUMN claimed_until timestamptz;
ALTER TABLE charges ADD COLUMN claimed_until timestamptz;
ALTER TABLE effects ADD COLUMN claimed_until timestamptz;
