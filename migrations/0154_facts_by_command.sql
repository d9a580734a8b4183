-- no-transaction
-- What answered a command, however many facts its order has. The facts that decide an order need no entry: they are found by its id.
CREATE INDEX CONCURRENTLY IF NOT EXISTS order_events_by_command ON order_events (command_id, order_id)
 WHERE command_id IS NOT NULL AND type NOT IN ('order.held', 'order.refused');
