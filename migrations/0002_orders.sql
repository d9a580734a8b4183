-- An accepted order has no row: it waits in the queue until a worker has decided.
CREATE TYPE order_status AS ENUM (
    'held', 'paying', 'paid', 'partly_refunded', 'refunded', 'refused', 'expired', 'cancelled'
);

-- No foreign keys between orders, their items and their events: all three are written by one statement batch of
-- one transaction, the keys would halve the rate of holds, and `holdfast audit` checks what they would have.
CREATE TABLE orders (
    id              uuid         PRIMARY KEY,
    customer_id     text         NOT NULL,
    status          order_status NOT NULL,
    amount_won      bigint       NOT NULL,
    -- What was asked for, as a hash: the same key with another body is another request.
    fingerprint     uuid         NOT NULL,
    refusal         jsonb,
    extension_count smallint     NOT NULL DEFAULT 0,
    -- When the worker decided: the hold began.
    created_at      timestamptz  NOT NULL,
    expires_at      timestamptz,
    -- When the hold ended: paid, expired, cancelled or refused.
    closed_at       timestamptz,
    CONSTRAINT orders_amount_not_negative CHECK (amount_won >= 0),
    CONSTRAINT orders_refused_with_a_reason CHECK ((status = 'refused') = (refusal IS NOT NULL)),
    CONSTRAINT orders_refused_or_with_a_deadline CHECK ((status = 'refused') = (expires_at IS NULL)),
    CONSTRAINT orders_open_or_closed CHECK ((status IN ('held', 'paying')) = (closed_at IS NULL)),
    CONSTRAINT orders_deadline_after_start CHECK (expires_at > created_at),
    CONSTRAINT orders_extended_at_most_twice CHECK (extension_count BETWEEN 0 AND 2)
);
CREATE INDEX orders_by_customer ON orders (customer_id, created_at, id);
-- What the sweeper and a buyer short of stock look for.
CREATE INDEX orders_held_by_deadline ON orders (expires_at) WHERE status = 'held';

-- Name, code and price are snapshots taken when the hold began.
CREATE TABLE order_items (
    order_id          uuid     NOT NULL,
    sku_id            bigint   NOT NULL,
    position          smallint NOT NULL,
    quantity          integer  NOT NULL,
    unit_price_won    bigint   NOT NULL,
    discount_ratio_bp integer  NOT NULL,
    amount_won        bigint   NOT NULL,
    sku_code          text     NOT NULL,
    name              text     NOT NULL,
    PRIMARY KEY (order_id, sku_id),
    CONSTRAINT order_items_quantity_positive CHECK (quantity > 0)
);

-- The event log: append-only, written in the transaction of the transition it tells of.
CREATE TABLE order_events (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    -- The relay reads up to the oldest running transaction, so that what commits late is not skipped.
    transaction_id xid8        NOT NULL DEFAULT pg_current_xact_id(),
    order_id       uuid        NOT NULL,
    -- The command that caused it, where a caller may be waiting for the answer to exactly that command.
    command_id     uuid,
    type           text        NOT NULL,
    data           jsonb       NOT NULL,
    occurred_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (transaction_id, id)
);
CREATE INDEX order_events_by_order ON order_events (order_id, id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER order_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How far the relay has published: rounds of whole transactions, in order of id within a round.
CREATE TABLE relay_cursors (
    name             text   PRIMARY KEY,
    from_transaction xid8   NOT NULL,
    to_transaction   xid8   NOT NULL,
    last_id          bigint NOT NULL,
    updated_at       timestamptz NOT NULL DEFAULT now()
);
INSERT INTO relay_cursors (name, from_transaction, to_transaction, last_id) VALUES ('events', '0', '0', 0);
