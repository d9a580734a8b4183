-- no-transaction
-- Its facts are in `order_events_that_take_effect`.
DROP INDEX CONCURRENTLY IF EXISTS order_events_of_money;
