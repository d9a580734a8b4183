-- An index whose building was interrupted is there and serves nobody, and `IF NOT EXISTS` takes it for built.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['products_by_offer', 'products_archived_by_offer', 'products_offered_until'] LOOP
        IF NOT (SELECT indisvalid FROM pg_index WHERE indexrelid = name::regclass) THEN
            RAISE EXCEPTION 'not valid: %', name USING HINT = 'REINDEX INDEX CONCURRENTLY it, then migrate again';
        END IF;
    END LOOP;
END $$;
