-- All refunds are counted: the mark on those of before goes, and with it the exception for them.
SET LOCAL lock_timeout = '4s';
CREATE OR REPLACE FUNCTION count_refund_back() RETURNS trigger LANGUAGE plpgsql AS $$
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
ALTER TABLE refunds DROP COLUMN is_counted;
