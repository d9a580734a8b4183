-- no-transaction
-- Products of which something else is offered from an instant on.
CREATE INDEX CONCURRENTLY IF NOT EXISTS products_offered_until ON products (offered_until) WHERE offered_until IS NOT NULL;
