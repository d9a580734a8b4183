-- The next facts about money, oldest first. Without statistics the planner takes all of them for few, and reads and sorts them
-- by a bitmap; walking their index it stops after so many.
CREATE FUNCTION money_facts_after(after_transaction xid8, after_id bigint, before xid8, at_most bigint)
RETURNS TABLE (transaction_id xid8, id bigint, occurred_at timestamptz)
LANGUAGE sql STABLE SET enable_bitmapscan = off SET enable_sort = off AS $$
    SELECT e.transaction_id, e.id, e.occurred_at FROM order_events e
     WHERE (e.transaction_id, e.id) > (after_transaction, after_id) AND e.transaction_id < before
       AND e.type IN ('order.paid', 'order.refunded')
     ORDER BY e.transaction_id, e.id LIMIT at_most
$$;
