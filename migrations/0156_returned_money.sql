-- What was given back of each payment, or is on its way back; 0158 counts it.
SET LOCAL lock_timeout = '4s';
ALTER TABLE payments
    ADD COLUMN returned_wallet_won bigint NOT NULL DEFAULT 0,
    ADD COLUMN returned_points_won bigint NOT NULL DEFAULT 0,
    ADD COLUMN returned_card_won   bigint NOT NULL DEFAULT 0;
