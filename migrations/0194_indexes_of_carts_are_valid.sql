-- An index whose building was interrupted is there and serves nobody, and `IF NOT EXISTS` takes it for built.
DO $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(indexrelid::regclass::text, ', ') INTO missing FROM pg_index
     WHERE indexrelid IN ('carts_of_strangers'::regclass, 'cart_checkouts_to_look_at'::regclass) AND NOT indisvalid;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'not valid: %', missing
              USING HINT = 'REINDEX INDEX CONCURRENTLY it, then migrate again';
    END IF;
END $$;
