-- Units that each customer bought of each SKU and did not give back: what a SKU's own limit counts beside live holds. Whoever
-- sells or gives back counts in the same transaction; a row goes with its last unit. No CHECK keeps a count from becoming
-- negative: a wrong count must not keep money from going back, and the audit names it.
CREATE TABLE units_bought (
    customer_id text   COLLATE "C" NOT NULL,
    sku_id      bigint NOT NULL,
    units       bigint NOT NULL,
    PRIMARY KEY (customer_id, sku_id)
) WITH (fillfactor = 80);

-- Workers of the version before do not count. While they still run beside the new ones, these triggers do it for them, at the end
-- of their transactions; new workers say in each of theirs that they count themselves. To be dropped by a later version.
CREATE FUNCTION count_sale_of_older_worker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('holdfast.counts_units', true) IS DISTINCT FROM 'on' THEN
        INSERT INTO units_bought (customer_id, sku_id, units)
        SELECT customer_id, NEW.sku_id, -NEW.on_hand_change FROM orders WHERE id = NEW.order_id
        ON CONFLICT (customer_id, sku_id) DO UPDATE SET units = units_bought.units + excluded.units;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION count_refund_of_older_worker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('holdfast.counts_units', true) IS DISTINCT FROM 'on' THEN
        INSERT INTO units_bought (customer_id, sku_id, units)
        SELECT o.customer_id, i.sku_id, -sum(i.quantity)
          FROM orders o JOIN refund_items i ON i.refund_id = NEW.id
         WHERE o.id = NEW.order_id GROUP BY o.customer_id, i.sku_id ORDER BY i.sku_id
        ON CONFLICT (customer_id, sku_id) DO UPDATE SET units = units_bought.units + excluded.units;
    END IF;
    RETURN NULL;
END $$;

-- History is counted exactly once: a trigger waits until all who write its table have ended, so what is there by then is counted
-- here, and what comes later by the triggers. Refunds are few and counted at once; refunds alone wait for it.
SET LOCAL lock_timeout = '4s';
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
CREATE CONSTRAINT TRIGGER refunds_count_done_of_older_worker AFTER INSERT ON refunds
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = 'done')
    EXECUTE FUNCTION count_refund_of_older_worker();
CREATE CONSTRAINT TRIGGER refunds_count_end_of_older_worker AFTER UPDATE OF status ON refunds
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = 'done' AND OLD.status <> 'done')
    EXECUTE FUNCTION count_refund_of_older_worker();
INSERT INTO units_bought (customer_id, sku_id, units)
SELECT o.customer_id, i.sku_id, -sum(i.quantity)
  FROM refunds r JOIN refund_items i ON i.refund_id = r.id JOIN orders o ON o.id = r.order_id
 WHERE r.status = 'done' GROUP BY o.customer_id, i.sku_id;

-- Sales are many: only how far they go is written down here, and the next migration counts them a part at a time.
CREATE CONSTRAINT TRIGGER stock_movements_count_sale_of_older_worker AFTER INSERT ON stock_movements
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.reason = 'sold')
    EXECUTE FUNCTION count_sale_of_older_worker();
CREATE TABLE units_bought_before (counted_to bigint NOT NULL, last_movement bigint NOT NULL);
INSERT INTO units_bought_before SELECT 0, coalesce(max(id), 0) FROM stock_movements;
