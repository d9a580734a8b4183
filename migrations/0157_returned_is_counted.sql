-- What was given back, or is on its way back, is counted, so that deciding the next refund does not read all refunds before it. The
-- triggers count for every version of the workers, at the end of each statement; refunds that a gateway refuses are counted back.
-- Those of before are not counted yet: 0158 does that while others refund, and 0162 takes the mark on them away.
-- EXECUTE plans anew each time: a session would keep the plan that it made when the tables were small.
SET LOCAL lock_timeout = '4s';
ALTER TABLE refunds ADD COLUMN is_counted boolean NOT NULL DEFAULT false;
ALTER TABLE refunds ALTER COLUMN is_counted SET DEFAULT true;
CREATE FUNCTION count_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE $sql$
        UPDATE payments p
           SET returned_wallet_won = p.returned_wallet_won + back.wallet_won,
               returned_points_won = p.returned_points_won + back.points_won,
               returned_card_won = p.returned_card_won + back.card_won
          FROM (SELECT payment_id, sum(wallet_won)::bigint AS wallet_won, sum(points_won)::bigint AS points_won,
                       sum(card_won)::bigint AS card_won
                  FROM inserted WHERE status <> 'refused' GROUP BY payment_id) AS back
         WHERE p.id = back.payment_id
    $sql$;
    RETURN NULL;
END $$;
CREATE FUNCTION count_refund_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE $sql$
        UPDATE order_items i SET returned_units = i.returned_units + back.units
          FROM (SELECT r.order_id, ri.sku_id, sum(ri.quantity) AS units
                  FROM inserted ri CROSS JOIN LATERAL (
                       SELECT order_id FROM refunds WHERE id = ri.refund_id AND status <> 'refused' OFFSET 0) AS r
                 GROUP BY r.order_id, ri.sku_id) AS back
         WHERE i.order_id = back.order_id AND i.sku_id = back.sku_id
    $sql$;
    RETURN NULL;
END $$;
CREATE FUNCTION count_refund_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE payments
       SET returned_wallet_won = returned_wallet_won - NEW.wallet_won,
           returned_points_won = returned_points_won - NEW.points_won,
           returned_card_won = returned_card_won - NEW.card_won
     WHERE id = NEW.payment_id;
    UPDATE order_items i SET returned_units = i.returned_units - back.units
      FROM (SELECT sku_id, sum(quantity) AS units FROM refund_items WHERE refund_id = NEW.id GROUP BY sku_id) AS back
     WHERE i.order_id = NEW.order_id AND i.sku_id = back.sku_id;
    RETURN NULL;
END $$;

CREATE TRIGGER refunds_count AFTER INSERT ON refunds
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION count_refunds();
CREATE TRIGGER refunds_count_back AFTER UPDATE OF status ON refunds
    FOR EACH ROW WHEN (NEW.status = 'refused' AND OLD.status <> 'refused' AND NEW.is_counted) EXECUTE FUNCTION count_refund_back();
CREATE TRIGGER refund_items_count AFTER INSERT ON refund_items
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION count_refund_items();
