-- What dead letters are found by. Customer and SKUs come from the body or, where only an order is named, from that
-- order. The text of a body is its bytes, those outside of ASCII as numbers: any body has one, and its beginning is
-- enough for every command of ours.
ALTER TABLE dead_letters
    ADD COLUMN customer_id text COLLATE "C",
    ADD COLUMN skus        text[] COLLATE "C" NOT NULL DEFAULT '{}',
    ADD COLUMN body_text   text   COLLATE "C" NOT NULL
        GENERATED ALWAYS AS (lower(encode(substring(body FROM 1 FOR 8192), 'escape') COLLATE "C")) STORED;

UPDATE dead_letters SET customer_id = orders.customer_id FROM orders WHERE orders.id = dead_letters.order_id;
UPDATE dead_letters
   SET skus = ARRAY(SELECT sku_code FROM order_items WHERE order_id = dead_letters.order_id ORDER BY position)
 WHERE order_id IS NOT NULL;

DROP INDEX dead_letters_open;
-- A page is read in this order; groups are counted from the second index alone.
CREATE INDEX dead_letters_by_death ON dead_letters (status, last_died_at, id);
CREATE INDEX dead_letters_by_group ON dead_letters (status, queue, error_class, message_type, last_died_at, id)
    INCLUDE (first_died_at);
CREATE INDEX dead_letters_of_all ON dead_letters (last_died_at, id);
CREATE INDEX dead_letters_by_customer ON dead_letters (customer_id, last_died_at, id) WHERE customer_id IS NOT NULL;
CREATE INDEX dead_letters_by_sku ON dead_letters USING gin (skus) WITH (fastupdate = off);

-- Every death of a dead letter; the row above tells of the last one.
CREATE TABLE dead_letter_deaths (
    dead_letter_id uuid        NOT NULL REFERENCES dead_letters (id),
    number         integer     NOT NULL,
    died_at        timestamptz NOT NULL,
    error_class    text        NOT NULL,
    error_text     text        NOT NULL,
    attempts       integer     NOT NULL,
    PRIMARY KEY (dead_letter_id, number)
);
INSERT INTO dead_letter_deaths (dead_letter_id, number, died_at, error_class, error_text, attempts)
SELECT id, death_count, last_died_at, error_class, error_text, attempts FROM dead_letters;

-- A changed copy of a dead letter: a message of its own, which may die in its turn.
CREATE TABLE dead_letter_edits (
    dead_letter_id uuid        PRIMARY KEY REFERENCES dead_letters (id),
    queue          text        NOT NULL,
    message_id     text        NOT NULL,
    body           bytea       NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT dead_letter_edits_one_per_message UNIQUE (queue, message_id)
);
