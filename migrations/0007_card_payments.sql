ALTER TABLE payments
    -- The gateway's name of the payment, as the buyer brought it.
    ADD COLUMN payment_key      text COLLATE "C",
    -- The gateway's own code of a decline.
    ADD COLUMN decline_code     text,
    ADD COLUMN inquiry_count    integer NOT NULL DEFAULT 0,
    ADD COLUMN not_found_count  integer NOT NULL DEFAULT 0,
    ADD COLUMN last_inquiry_at  timestamptz,
    -- When the gateway was last asked for the money.
    ADD COLUMN asked_at         timestamptz NOT NULL DEFAULT now(),
    -- When the sweeper found it forgotten.
    ADD COLUMN woken_at         timestamptz,
    ADD CONSTRAINT payments_card_has_a_key CHECK ((method = 'card') = (payment_key IS NOT NULL)),
    ADD CONSTRAINT payments_wallet_is_definite CHECK (method = 'card' OR status IN ('captured', 'declined'));

-- One payment at a time asks for an order's money, and one key pays for one thing.
CREATE UNIQUE INDEX payments_asked_once ON payments (order_id) WHERE status IN ('requesting', 'unknown');
CREATE UNIQUE INDEX payments_key_once ON payments (payment_key) WHERE status <> 'declined';
CREATE INDEX payments_by_key ON payments (payment_key) WHERE payment_key IS NOT NULL;
CREATE INDEX payments_open ON payments (created_at) WHERE status IN ('requesting', 'unknown', 'returning');

-- What gateways told us by themselves. A hint, whether signed or not: what is true is asked for.
CREATE TABLE webhooks (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider         text        NOT NULL,
    event_id         text        NOT NULL,
    kind             text        NOT NULL,
    payment_key      text        COLLATE "C",
    gateway_order_id text        COLLATE "C",
    signed           boolean     NOT NULL,
    -- The payment it is about; without one it is unmatched.
    payment_id       uuid,
    received_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT webhooks_once UNIQUE (provider, event_id)
);
CREATE INDEX webhooks_unmatched ON webhooks (received_at) WHERE payment_id IS NULL;
