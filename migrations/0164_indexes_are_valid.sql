-- An index whose building was interrupted is there and serves nobody, and `IF NOT EXISTS` takes it for built: then every command
-- would read a whole index.
DO $$
DECLARE broken text;
BEGIN
    SELECT string_agg(indexrelid::regclass::text, ', ') INTO broken
      FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
     WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace;
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'not valid: %', broken
              USING HINT = 'REINDEX INDEX CONCURRENTLY each of them, then migrate again';
    END IF;
END $$;
