-- requesting: the gateway is asked to give the card's part back; done: everything is back; refused: nothing is.
CREATE TYPE refund_status AS ENUM ('requesting', 'done', 'refused');

-- One row per refund; the id is the command's, and the key of its call to the gateway.
CREATE TABLE refunds (
    id              uuid          PRIMARY KEY,
    order_id        uuid          NOT NULL,
    payment_id      uuid          NOT NULL,
    status          refund_status NOT NULL,
    amount_won      bigint        NOT NULL,
    wallet_won      bigint        NOT NULL,
    points_won      bigint        NOT NULL,
    card_won        bigint        NOT NULL,
    -- What was asked for: the same key with another body is another request.
    asked           jsonb         NOT NULL,
    reason          text          NOT NULL,
    -- The gateway's own code of a refusal.
    refusal_code    text,
    inquiry_count   integer       NOT NULL DEFAULT 0,
    last_inquiry_at timestamptz,
    -- When the sweeper found it forgotten.
    woken_at        timestamptz,
    created_at      timestamptz   NOT NULL DEFAULT now(),
    closed_at       timestamptz,
    CONSTRAINT refunds_parts_not_negative CHECK (wallet_won >= 0 AND points_won >= 0 AND card_won >= 0),
    CONSTRAINT refunds_parts_add_up CHECK (amount_won = wallet_won + points_won + card_won),
    CONSTRAINT refunds_only_a_card_is_asked CHECK (card_won > 0 OR status = 'done'),
    CONSTRAINT refunds_open_or_closed CHECK ((status = 'requesting') = (closed_at IS NULL))
);
CREATE INDEX refunds_by_order ON refunds (order_id);
CREATE INDEX refunds_by_payment ON refunds (payment_id);
CREATE INDEX refunds_open ON refunds (created_at) WHERE status = 'requesting';

CREATE TABLE refund_items (
    refund_id  uuid    NOT NULL REFERENCES refunds (id),
    position   smallint NOT NULL,
    sku_id     bigint  NOT NULL,
    sku_code   text    NOT NULL,
    quantity   integer NOT NULL,
    amount_won bigint  NOT NULL,
    -- Sold again, or written off.
    restock    boolean NOT NULL,
    PRIMARY KEY (refund_id, position),
    CONSTRAINT refund_items_quantity_positive CHECK (quantity > 0)
);

ALTER TABLE orders
    ADD COLUMN refunded_won bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT orders_refunded_at_most_paid CHECK (refunded_won BETWEEN 0 AND amount_won);
