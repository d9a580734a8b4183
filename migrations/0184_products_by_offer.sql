-- no-transaction
-- Lists by price go by what is offered. `products_by_price` stays for processes of the version before.
CREATE INDEX CONCURRENTLY IF NOT EXISTS products_by_offer ON products (offered_from_won, id) WHERE archived_at IS NULL;
