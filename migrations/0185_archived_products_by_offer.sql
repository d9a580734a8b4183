-- no-transaction
-- The same of what is archived.
CREATE INDEX CONCURRENTLY IF NOT EXISTS products_archived_by_offer ON products (offered_from_won, id) WHERE archived_at IS NOT NULL;
