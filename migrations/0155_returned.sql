-- What was given back of each item and of each payment, or is on its way back; the next migration counts it. Columns with a constant
-- default touch no row.
SET LOCAL lock_timeout = '4s';
ALTER TABLE order_items ADD COLUMN returned_units bigint NOT NULL DEFAULT 0;
ALTER TABLE payments
    ADD COLUMN returned_wallet_won bigint NOT NULL DEFAULT 0,
    ADD COLUMN returned_points_won bigint NOT NULL DEFAULT 0,
    ADD COLUMN returned_card_won   bigint NOT NULL DEFAULT 0;
