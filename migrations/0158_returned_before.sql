-- no-transaction
-- Counts the refunds of before, a part and a transaction at a time, while others refund. Started again after an interruption it
-- goes on where it was. Whoever refunds may hold the one and wait for the other: then a part is done again.
DO $$
DECLARE
    reached uuid := '00000000-0000-0000-0000-000000000000';
    part uuid[];
BEGIN
    LOOP
        part := ARRAY(SELECT id FROM refunds WHERE id > reached AND NOT is_counted ORDER BY id LIMIT 2000);
        EXIT WHEN cardinality(part) = 0;
        BEGIN
            PERFORM set_config('lock_timeout', '1s', true);
            PERFORM FROM payments WHERE id IN (SELECT payment_id FROM refunds WHERE id = ANY(part))
              ORDER BY id FOR NO KEY UPDATE;
            WITH counted AS (
                UPDATE refunds SET is_counted = true WHERE id = ANY(part) AND NOT is_counted
                RETURNING id, order_id, payment_id, status, wallet_won, points_won, card_won
            ), money AS (
                UPDATE payments p
                   SET returned_wallet_won = p.returned_wallet_won + back.wallet_won,
                       returned_points_won = p.returned_points_won + back.points_won,
                       returned_card_won = p.returned_card_won + back.card_won
                  FROM (SELECT payment_id, sum(wallet_won)::bigint AS wallet_won, sum(points_won)::bigint AS points_won,
                               sum(card_won)::bigint AS card_won
                          FROM counted WHERE status <> 'refused' GROUP BY payment_id) AS back
                 WHERE p.id = back.payment_id
            )
            UPDATE order_items i SET returned_units = i.returned_units + back.units
              FROM (SELECT c.order_id, ri.sku_id, sum(ri.quantity) AS units
                      FROM counted c JOIN refund_items ri ON ri.refund_id = c.id
                     WHERE c.status <> 'refused' GROUP BY c.order_id, ri.sku_id) AS back
             WHERE i.order_id = back.order_id AND i.sku_id = back.sku_id;
            reached := part[cardinality(part)];
        EXCEPTION WHEN deadlock_detected OR lock_not_available THEN
            RAISE NOTICE 'somebody else has these refunds, again';
        END;
        COMMIT;
    END LOOP;
END $$;
