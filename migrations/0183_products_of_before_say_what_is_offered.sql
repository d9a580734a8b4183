-- no-transaction
-- Has the products of before say what is offered of them, a part and a transaction at a time, while others sell. Started again
-- after an interruption it goes on where it was.
DO $$
DECLARE
    reached bigint := 0;
    part bigint[];
BEGIN
    LOOP
        part := ARRAY(SELECT id FROM products WHERE id > reached AND offered_at IS NULL ORDER BY id LIMIT 500);
        EXIT WHEN cardinality(part) = 0;
        BEGIN
            PERFORM set_config('lock_timeout', '1s', true);
            PERFORM say_what_is_offered(part);
            reached := part[cardinality(part)];
        EXCEPTION WHEN deadlock_detected OR lock_not_available THEN
            RAISE NOTICE 'somebody else has these products, again';
        END;
        COMMIT;
    END LOOP;
END $$;
