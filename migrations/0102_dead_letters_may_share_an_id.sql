-- A message is known by queue, id and body: another body under the same id is another dead letter. The index that says so
-- must be there and valid before the stricter rule goes.
SET LOCAL lock_timeout = '4s';
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('dead_letters_one_per_body') AND indisvalid) THEN
        RAISE EXCEPTION 'the index dead_letters_one_per_body is not valid'
              USING HINT = 'REINDEX INDEX CONCURRENTLY dead_letters_one_per_body, then migrate again';
    END IF;
END $$;
ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_one_per_message;
