-- An index whose building was interrupted is there and serves nobody, and `IF NOT EXISTS` takes it for built.
DO $$
BEGIN
    IF NOT (SELECT indisvalid FROM pg_index WHERE indexrelid = 'order_events_that_take_effect'::regclass) THEN
        RAISE EXCEPTION 'not valid: order_events_that_take_effect'
              USING HINT = 'REINDEX INDEX CONCURRENTLY it, then migrate again';
    END IF;
END $$;

-- The next facts that take effect, oldest first, by a walk along their index as in `money_facts_after`, which stays for processes
-- of the version before.
CREATE FUNCTION facts_of_effect_after(after_transaction xid8, after_id bigint, before xid8, at_most bigint)
RETURNS TABLE (transaction_id xid8, id bigint, occurred_at timestamptz)
LANGUAGE sql STABLE SET enable_bitmapscan = off SET enable_sort = off AS $$
    SELECT e.transaction_id, e.id, e.occurred_at FROM order_events e
     WHERE (e.transaction_id, e.id) > (after_transaction, after_id) AND e.transaction_id < before
       AND (e.type IN ('order.paid', 'order.refunded')
            OR (e.type IN ('order.held', 'order.refused') AND e.sequence > 1))
     ORDER BY e.transaction_id, e.id LIMIT at_most
$$;
