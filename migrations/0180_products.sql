-- What a shop shows of what it sells, apart from stock: neither a hold nor a payment reads or locks any of it.

CREATE TYPE product_text_format AS ENUM ('plain', 'markdown');

CREATE TABLE products (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code               text COLLATE "C"   NOT NULL,
    name               text               NOT NULL,
    -- How it is sorted and searched; made by the program, as no two databases agree on letters.
    name_folded        text COLLATE "C"   NOT NULL,
    description        text               NOT NULL DEFAULT '',
    description_format product_text_format NOT NULL DEFAULT 'plain',
    image_urls         text[]             NOT NULL DEFAULT '{}',
    category           text COLLATE "C",
    tags               text[] COLLATE "C" NOT NULL DEFAULT '{}',
    -- [{"name": …, "values": […]}]
    options            jsonb              NOT NULL DEFAULT '[]',
    -- What leads to it: the rows of product_terms.
    terms              text[] COLLATE "C" NOT NULL DEFAULT '{}',
    is_active          boolean            NOT NULL DEFAULT true,
    sale_from          timestamptz,
    sale_until         timestamptz,
    archived_at        timestamptz,
    -- The lowest and highest of what is asked for its SKUs, after discount, and the greatest discount: 0 without SKUs. A
    -- SKU's price is the truth; these follow it in the same transaction, as no index sorts by what is in another table.
    sku_count          integer            NOT NULL DEFAULT 0,
    price_from_won     bigint             NOT NULL DEFAULT 0,
    price_to_won       bigint             NOT NULL DEFAULT 0,
    discount_max_bp    integer            NOT NULL DEFAULT 0,
    -- One more with every change of what a shop writes.
    version            bigint             NOT NULL DEFAULT 1,
    created_at         timestamptz        NOT NULL DEFAULT now(),
    updated_at         timestamptz        NOT NULL DEFAULT now(),
    CONSTRAINT products_code_unique UNIQUE (code),
    CONSTRAINT products_sale_ends_after_it_begins CHECK (sale_until > sale_from)
);

-- Lists go in one of three orders; what is archived never lies between what is not.
CREATE INDEX products_by_id ON products (id) WHERE archived_at IS NULL;
CREATE INDEX products_by_name ON products (name_folded, id) WHERE archived_at IS NULL;
CREATE INDEX products_by_price ON products (price_from_won, id) WHERE archived_at IS NULL;
CREATE INDEX products_archived_by_id ON products (id) WHERE archived_at IS NOT NULL;
CREATE INDEX products_archived_by_name ON products (name_folded, id) WHERE archived_at IS NOT NULL;
CREATE INDEX products_archived_by_price ON products (price_from_won, id) WHERE archived_at IS NOT NULL;

-- What leads to a product: letters of its name (n:), its category (c:), its tags (t:).
CREATE TABLE product_terms (
    term        text COLLATE "C" NOT NULL,
    is_archived boolean          NOT NULL,
    product_id  bigint           NOT NULL REFERENCES products (id),
    PRIMARY KEY (term, is_archived, product_id)
);

-- A SKU belongs to one product, and is one combination of its options.
CREATE TABLE product_skus (
    sku_id     bigint PRIMARY KEY REFERENCES skus (id),
    product_id bigint             NOT NULL REFERENCES products (id),
    position   integer            NOT NULL,
    choices    text[] COLLATE "C" NOT NULL DEFAULT '{}',
    CONSTRAINT product_skus_position_unique UNIQUE (product_id, position),
    CONSTRAINT product_skus_choices_unique UNIQUE (product_id, choices)
);

-- How a product stands now.
CREATE FUNCTION product_state(is_active boolean, sku_count integer, archived_at timestamptz, sale_from timestamptz,
                              sale_until timestamptz) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT CASE WHEN archived_at IS NOT NULL THEN 'archived'
               WHEN NOT is_active OR sku_count = 0 THEN 'inactive'
               WHEN sale_until <= now() THEN 'ended'
               WHEN sale_from > now() THEN 'upcoming'
               ELSE 'on_sale' END $$;
