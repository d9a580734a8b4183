-- no-transaction
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS dead_letters_one_per_body ON dead_letters (queue, message_id, sha256(body));
