-- What was given back of each item, or is on its way back; 0158 counts it. A column with a constant default touches no row. The
-- columns of payments are a migration of their own: whoever pays locks payments first.
SET LOCAL lock_timeout = '4s';
ALTER TABLE order_items ADD COLUMN returned_units bigint NOT NULL DEFAULT 0;
