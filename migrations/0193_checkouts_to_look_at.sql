-- no-transaction
-- Checkouts of a cart whose order may still change it. `cart_checkouts_open` stays for processes of the version before.
CREATE INDEX CONCURRENTLY IF NOT EXISTS cart_checkouts_to_look_at ON cart_checkouts (cart_id, created_at)
 WHERE outcome IS NULL OR is_watched;
