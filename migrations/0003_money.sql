CREATE TABLE wallets (
    customer_id text   PRIMARY KEY,
    balance_won bigint NOT NULL DEFAULT 0,
    CONSTRAINT wallets_balance_in_bounds CHECK (balance_won BETWEEN 0 AND 100000)
);

CREATE TYPE wallet_charge_status AS ENUM ('posted', 'refused');

-- The id is derived from customer and idempotency key: a repeated charge finds its first answer.
CREATE TABLE wallet_charges (
    id          uuid                 PRIMARY KEY,
    customer_id text                 NOT NULL,
    amount_won  bigint               NOT NULL,
    status      wallet_charge_status NOT NULL,
    -- The balance the first answer told.
    balance_won bigint               NOT NULL,
    created_at  timestamptz          NOT NULL DEFAULT now(),
    CONSTRAINT wallet_charges_positive CHECK (amount_won > 0)
);

CREATE TYPE payment_method AS ENUM ('wallet');
CREATE TYPE payment_status AS ENUM ('captured', 'declined');

-- One row per attempt to pay; the id is the command's.
CREATE TABLE payments (
    id             uuid           PRIMARY KEY,
    order_id       uuid           NOT NULL,
    method         payment_method NOT NULL,
    status         payment_status NOT NULL,
    amount_won     bigint         NOT NULL,
    decline_reason text,
    created_at     timestamptz    NOT NULL DEFAULT now(),
    CONSTRAINT payments_declined_with_a_reason CHECK ((status = 'declined') = (decline_reason IS NOT NULL))
);
CREATE UNIQUE INDEX payments_captured_once ON payments (order_id) WHERE status = 'captured';

-- Double entry: the entries of one transaction sum to zero. A wallet entry names its customer; 'funding' is where
-- charges come from, 'sales' where payments go.
CREATE TYPE ledger_account AS ENUM ('wallet', 'funding', 'sales');

CREATE TABLE ledger_entries (
    -- The wallet charge or the payment it belongs to.
    transaction_id uuid           NOT NULL,
    account        ledger_account NOT NULL,
    customer_id    text,
    amount_won     bigint         NOT NULL,
    created_at     timestamptz    NOT NULL DEFAULT now(),
    PRIMARY KEY (transaction_id, account),
    CONSTRAINT ledger_entries_wallet_has_a_customer CHECK ((account = 'wallet') = (customer_id IS NOT NULL)),
    CONSTRAINT ledger_entries_move_something CHECK (amount_won <> 0)
);
CREATE INDEX ledger_entries_by_customer ON ledger_entries (customer_id) WHERE customer_id IS NOT NULL;
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
