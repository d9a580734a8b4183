-- Whether and when a SKU is sold: no new holds outside of it, while those there are go on.
SET LOCAL lock_timeout = '4s';
ALTER TABLE skus
    ADD COLUMN is_active  boolean NOT NULL DEFAULT true,
    ADD COLUMN sale_from  timestamptz,
    ADD COLUMN sale_until timestamptz,
    ADD CONSTRAINT skus_sale_ends_after_it_begins CHECK (sale_until > sale_from);
