-- no-transaction
DROP INDEX CONCURRENTLY IF EXISTS refunds_by_order;
