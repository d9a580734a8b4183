-- no-transaction
-- Those used last are kept.
CREATE INDEX CONCURRENTLY IF NOT EXISTS carts_of_strangers ON carts (touched_at) WHERE of_stranger;
