-- What was sold on a day before anything was given back of it. Rows of before, and days to which a worker of before still
-- adds, do not have it: it is known where sold less refunded is what `units` says.
SET LOCAL lock_timeout = '4s';
ALTER TABLE sku_sales
    ADD COLUMN sold_units     bigint,
    ADD COLUMN refunded_units bigint;
