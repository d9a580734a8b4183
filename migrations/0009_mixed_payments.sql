-- What customers have, per account: the sum of its entries.
CREATE TABLE balances (
    customer_id text           COLLATE "C" NOT NULL,
    account     ledger_account NOT NULL,
    amount_won  bigint         NOT NULL,
    PRIMARY KEY (customer_id, account),
    CONSTRAINT balances_never_negative CHECK (amount_won >= 0),
    CONSTRAINT balances_of_customers CHECK (account IN ('wallet', 'wallet_reserved', 'points', 'points_reserved'))
);
INSERT INTO balances (customer_id, account, amount_won) SELECT customer_id, 'wallet', balance_won FROM wallets;
DROP TABLE wallets;

ALTER TABLE wallet_charges RENAME TO charges;
ALTER TABLE charges RENAME CONSTRAINT wallet_charges_positive TO charges_positive;
ALTER TABLE charges ADD COLUMN account ledger_account NOT NULL DEFAULT 'wallet';
ALTER TABLE charges ALTER COLUMN account DROP DEFAULT;
ALTER TYPE wallet_charge_status RENAME TO charge_status;

ALTER TABLE ledger_entries
    DROP CONSTRAINT ledger_entries_pkey,
    DROP CONSTRAINT ledger_entries_wallet_has_a_customer,
    ADD COLUMN phase ledger_phase NOT NULL DEFAULT 'posted',
    ADD PRIMARY KEY (transaction_id, phase, account),
    ADD CONSTRAINT ledger_entries_balance_has_a_customer CHECK (
        (account IN ('wallet', 'wallet_reserved', 'points', 'points_reserved')) = (customer_id IS NOT NULL));
ALTER TABLE ledger_entries ALTER COLUMN phase DROP DEFAULT;

-- A payment has parts; how it is paid follows from them.
ALTER TABLE payments
    ADD COLUMN wallet_won bigint NOT NULL DEFAULT 0,
    ADD COLUMN points_won bigint NOT NULL DEFAULT 0,
    ADD COLUMN card_won   bigint NOT NULL DEFAULT 0;
-- A card that was offered for an order of nothing was declined and paid no part.
UPDATE payments SET payment_key = NULL WHERE amount_won = 0;
UPDATE payments SET wallet_won = CASE WHEN payment_key IS NULL THEN amount_won ELSE 0 END,
                    card_won   = CASE WHEN payment_key IS NULL THEN 0 ELSE amount_won END;
ALTER TABLE payments
    ALTER COLUMN wallet_won DROP DEFAULT,
    ALTER COLUMN points_won DROP DEFAULT,
    ALTER COLUMN card_won DROP DEFAULT,
    DROP COLUMN method,
    ADD CONSTRAINT payments_parts_not_negative CHECK (wallet_won >= 0 AND points_won >= 0 AND card_won >= 0),
    -- What a buyer offered and was declined may be another amount; should its money come all the same, it goes back.
    ADD CONSTRAINT payments_parts_add_up CHECK (status IN ('declined', 'returning', 'returned')
                                                OR amount_won = wallet_won + points_won + card_won),
    ADD CONSTRAINT payments_card_has_a_key CHECK ((card_won > 0) = (payment_key IS NOT NULL)),
    ADD CONSTRAINT payments_without_card_are_definite
        CHECK (payment_key IS NOT NULL OR status IN ('captured', 'declined'));
DROP TYPE payment_method;
