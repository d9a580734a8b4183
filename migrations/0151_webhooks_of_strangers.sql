-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS webhooks_of_strangers ON webhooks (received_at) WHERE NOT concerns_us;
