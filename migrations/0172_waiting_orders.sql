-- Orders that wait for units: who may be held as soon as something comes free, in the order of their places.
SET LOCAL lock_timeout = '4s';
CREATE TABLE waiting_orders (
    order_id     uuid        PRIMARY KEY,
    -- The order of arrival; lower places come first.
    place        bigint      GENERATED ALWAYS AS IDENTITY,
    customer_id  text        COLLATE "C" NOT NULL,
    -- For how long it is held once it is its turn.
    hold_seconds integer     NOT NULL,
    -- Whether it is content with any of its items, and not only with all of them.
    takes_any    boolean     NOT NULL,
    -- Its turn comes before this instant or not at all; orders.expires_at says the same.
    wait_until   timestamptz NOT NULL
);
CREATE INDEX waiting_orders_by_customer ON waiting_orders (customer_id);
CREATE INDEX waiting_orders_by_end ON waiting_orders (wait_until);

-- The lines, one per SKU. An order that wants all of its items stands in the line of one that is missing; one that takes any
-- of them stands in all their lines.
CREATE TABLE waiting_lines (
    sku_id   bigint  NOT NULL,
    quantity integer NOT NULL,
    place    bigint  NOT NULL,
    order_id uuid    NOT NULL REFERENCES waiting_orders (order_id) ON DELETE CASCADE,
    PRIMARY KEY (sku_id, quantity, place)
);
CREATE INDEX waiting_lines_by_place ON waiting_lines (sku_id, place);
CREATE INDEX waiting_lines_by_order ON waiting_lines (order_id);

-- The smallest number of units that somebody in the line wants, or less: somebody may have left since. Null if nobody waits.
ALTER TABLE stock ADD COLUMN least_waiting integer;
CREATE INDEX stock_with_a_line ON stock (sku_id) WHERE least_waiting IS NOT NULL;
