-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS webhooks_by_charge ON webhooks (charge_id) WHERE charge_id IS NOT NULL;
