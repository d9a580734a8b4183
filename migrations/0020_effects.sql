-- What follows from a payment: counters, and an outbox of mails and reports. All of it is written by the feed, which
-- reads the event log past a cursor of its own.

-- The facts the feed cares for, so that all others cost it nothing.
CREATE INDEX order_events_of_money ON order_events (transaction_id, id)
 WHERE type IN ('order.paid', 'order.refunded');

-- Facts from before a cursor existed are counted, but nobody is told of them any more.
ALTER TABLE relay_cursors ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
INSERT INTO relay_cursors (name, from_transaction, to_transaction, last_id) VALUES ('effects', '0', '0', 0);

-- How customers are reached; kept apart from the counters, which are written all the time.
CREATE TABLE customer_contacts (
    customer_id text COLLATE "C" PRIMARY KEY,
    email       text        NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE customer_totals (
    customer_id  text COLLATE "C" PRIMARY KEY,
    -- Paid orders without those that were refunded wholly.
    order_count  bigint NOT NULL,
    paid_won     bigint NOT NULL,
    refunded_won bigint NOT NULL
) WITH (fillfactor = 70);

-- Sold on a day, less what was refunded on it.
CREATE TABLE sku_sales (
    day        date   NOT NULL,
    sku_id     bigint NOT NULL,
    units      bigint NOT NULL,
    amount_won bigint NOT NULL,
    PRIMARY KEY (day, sku_id)
) WITH (fillfactor = 50);

CREATE TYPE effect_kind AS ENUM ('mail', 'report');
-- skipped: there is nobody to tell. dead: given up, its message is a dead letter.
CREATE TYPE effect_status AS ENUM ('open', 'done', 'skipped', 'dead');

-- What is to be told outside, once per fact and kind.
CREATE TABLE effects (
    event_id        bigint        NOT NULL,
    kind            effect_kind   NOT NULL,
    order_id        uuid          NOT NULL,
    status          effect_status NOT NULL DEFAULT 'open',
    attempts        integer       NOT NULL DEFAULT 0,
    last_error      text,
    -- Not to be tried before.
    due_at          timestamptz   NOT NULL DEFAULT now(),
    -- When the sweeper found it forgotten.
    woken_at        timestamptz,
    created_at      timestamptz   NOT NULL DEFAULT now(),
    done_at         timestamptz,
    PRIMARY KEY (event_id, kind),
    CONSTRAINT effects_open_or_ended CHECK ((status = 'open') = (done_at IS NULL)),
    CONSTRAINT effects_dead_of_an_error CHECK (status <> 'dead' OR last_error IS NOT NULL)
);
CREATE INDEX effects_open ON effects (due_at) WHERE status = 'open';
