-- An order that waits is open, as one on hold is. The rows of before are looked at by the next migration.
SET LOCAL lock_timeout = '4s';
ALTER TABLE orders DROP CONSTRAINT orders_open_or_closed;
ALTER TABLE orders ADD CONSTRAINT orders_open_or_closed
    CHECK ((status IN ('waiting', 'held', 'paying')) = (closed_at IS NULL)) NOT VALID;
