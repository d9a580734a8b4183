-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS ledger_entries_of_gateway ON ledger_entries (created_at, transaction_id) WHERE account = 'gateway';
