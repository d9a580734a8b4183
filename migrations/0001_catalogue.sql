-- The catalogue and its stock. Texts and prices change rarely, stock changes with every order: two tables.
CREATE TABLE skus (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code              text        NOT NULL,
    name              text        NOT NULL,
    price_won         bigint      NOT NULL,
    -- Ten-thousandths: 1500 is a discount of 15 %.
    discount_ratio_bp integer     NOT NULL DEFAULT 0,
    -- Overrides the configured limit of units of this SKU one customer may have on hold.
    max_per_customer  integer,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT skus_code_unique UNIQUE (code),
    CONSTRAINT skus_price_not_negative CHECK (price_won >= 0),
    CONSTRAINT skus_discount_is_a_ratio CHECK (discount_ratio_bp BETWEEN 0 AND 10000),
    CONSTRAINT skus_max_per_customer_positive CHECK (max_per_customer > 0)
);

-- available = on_hand - reserved, never stored. The fill factor leaves room for updates within the page.
CREATE TABLE stock (
    sku_id   bigint  PRIMARY KEY REFERENCES skus (id),
    on_hand  integer NOT NULL DEFAULT 0,
    reserved integer NOT NULL DEFAULT 0,
    CONSTRAINT stock_never_oversold CHECK (0 <= reserved AND reserved <= on_hand)
) WITH (fillfactor = 50);

CREATE TYPE stock_movement_reason AS ENUM ('received', 'sold', 'returned', 'adjusted');

-- Every change of on_hand, with its reason: the sum per SKU is on_hand.
CREATE TABLE stock_movements (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku_id         bigint                NOT NULL,
    order_id       uuid,
    on_hand_change integer               NOT NULL,
    reason         stock_movement_reason NOT NULL,
    created_at     timestamptz           NOT NULL DEFAULT now(),
    CONSTRAINT stock_movements_change_something CHECK (on_hand_change <> 0),
    CONSTRAINT stock_movements_sale_names_its_order CHECK (reason <> 'sold' OR order_id IS NOT NULL)
);
CREATE INDEX stock_movements_by_sku ON stock_movements (sku_id, id);
