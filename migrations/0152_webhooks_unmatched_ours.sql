-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS webhooks_unmatched_ours ON webhooks (received_at)
 WHERE concerns_us AND payment_id IS NULL AND charge_id IS NULL;
