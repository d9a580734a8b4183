-- What somebody means to buy: a customer, or a guest who has a secret. A cart is a wish and holds no stock.
CREATE TABLE carts (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id text COLLATE "C",
    -- SHA-256 of the guest's secret.
    guest_hash  bytea,
    -- When it was last used, to the hour: so that most uses of a cart leave its indexes alone.
    touched_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT carts_one_of_a_customer UNIQUE (customer_id),
    CONSTRAINT carts_one_of_a_guest UNIQUE (guest_hash),
    CONSTRAINT carts_are_somebodys CHECK (num_nonnulls(customer_id, guest_hash) = 1)
);
-- What is idle is removed, a guest's earlier than a customer's.
CREATE INDEX carts_idle_of_guests ON carts (touched_at) WHERE customer_id IS NULL;
CREATE INDEX carts_idle_of_customers ON carts (touched_at) WHERE customer_id IS NOT NULL;

-- By the code and not the row of the SKU: what the catalogue no longer knows is shown as that.
CREATE TABLE cart_items (
    cart_id         bigint      NOT NULL REFERENCES carts (id) ON DELETE CASCADE,
    sku_code        text        COLLATE "C" NOT NULL,
    quantity        integer     NOT NULL,
    -- What one unit cost after discount when it was put in.
    unit_amount_won bigint      NOT NULL,
    put_in_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (cart_id, sku_code),
    CONSTRAINT cart_items_quantity_of_an_order CHECK (quantity BETWEEN 1 AND 1000)
);

CREATE TYPE cart_checkout_outcome AS ENUM ('held', 'refused', 'of_another_order', 'given_up');

-- A cart that was checked out: written before its order is asked for, so that a repeated request asks for the same, and
-- settled by whoever sees first what became of the order.
CREATE TABLE cart_checkouts (
    order_id     uuid        PRIMARY KEY,
    cart_id      bigint      NOT NULL REFERENCES carts (id) ON DELETE CASCADE,
    -- [{"sku", "quantity"}, …]: what was in the cart.
    items        jsonb       NOT NULL,
    -- Of the items and the terms: a repeated key with other terms is another request.
    fingerprint  uuid        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome      cart_checkout_outcome,
    settled_at   timestamptz,
    CONSTRAINT cart_checkouts_are_settled_with_an_outcome CHECK ((outcome IS NULL) = (settled_at IS NULL))
);
CREATE INDEX cart_checkouts_of_a_cart ON cart_checkouts (cart_id, created_at DESC);
CREATE INDEX cart_checkouts_open ON cart_checkouts (cart_id, created_at) WHERE outcome IS NULL;
CREATE INDEX cart_checkouts_settled ON cart_checkouts (settled_at) WHERE outcome IS NOT NULL;
