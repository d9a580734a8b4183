-- no-transaction
-- Counts the sales of before, a part and a transaction at a time, while others pay. Started again after an interruption it goes on
-- where it was.
DO $$
DECLARE
    from_movement bigint;
    to_movement bigint;
BEGIN
    IF to_regclass('units_bought_before') IS NULL THEN
        RETURN;
    END IF;
    LOOP
        UPDATE units_bought_before AS part SET counted_to = least(old.counted_to + 20000, old.last_movement)
          FROM units_bought_before AS old WHERE old.counted_to < old.last_movement
        RETURNING old.counted_to, part.counted_to INTO from_movement, to_movement;
        EXIT WHEN NOT FOUND;
        INSERT INTO units_bought (customer_id, sku_id, units)
        SELECT o.customer_id, m.sku_id, -sum(m.on_hand_change)
          FROM stock_movements m JOIN orders o ON o.id = m.order_id
         WHERE m.id > from_movement AND m.id <= to_movement AND m.reason = 'sold'
         GROUP BY o.customer_id, m.sku_id ORDER BY o.customer_id, m.sku_id
        ON CONFLICT (customer_id, sku_id) DO UPDATE SET units = units_bought.units + excluded.units;
        COMMIT;
    END LOOP;
    DROP TABLE units_bought_before;
    DELETE FROM units_bought WHERE units = 0;
END $$;
