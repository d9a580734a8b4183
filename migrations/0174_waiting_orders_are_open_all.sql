-- Every row is as the constraint says. Orders go on meanwhile.
ALTER TABLE orders VALIDATE CONSTRAINT orders_open_or_closed;
