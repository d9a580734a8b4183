-- no-transaction
-- The facts that the feed lets take effect: money that moved, and the end of a wait. Who was held or refused at once has that as
-- the first fact of their order and is not in here, so ordinary holds cost the feed nothing.
CREATE INDEX CONCURRENTLY IF NOT EXISTS order_events_that_take_effect ON order_events (transaction_id, id)
 WHERE type IN ('order.paid', 'order.refunded') OR (type IN ('order.held', 'order.refused') AND sequence > 1);
