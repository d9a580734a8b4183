-- What a product says of the prices of its SKUs: of those that a buyer can have. Until now it spoke of all, also of those that are
-- off sale alone, and whoever changed a SKU had to remember its product. Now the database does, whoever writes. The columns
-- sku_count, price_from_won, price_to_won and discount_max_bp go on for processes of the version before.
SET LOCAL lock_timeout = '4s';
ALTER TABLE products
    ADD COLUMN offered_count       integer NOT NULL DEFAULT 0,
    ADD COLUMN offered_from_won    bigint  NOT NULL DEFAULT 0,
    ADD COLUMN offered_to_won      bigint  NOT NULL DEFAULT 0,
    ADD COLUMN offered_discount_bp integer NOT NULL DEFAULT 0,
    -- As of when it says so, and from when on it has to be said anew, because a SKU's own sale begins or ends then.
    ADD COLUMN offered_at          timestamptz,
    ADD COLUMN offered_until       timestamptz;

-- While a product's sale is yet to begin it speaks of SKUs that will be sold in it, then of those that can be bought now, and
-- after its end of those that could be bought last. Runs under the lock of the row, each statement with what is committed by then.
CREATE FUNCTION product_says_what_is_offered() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    seen timestamptz;
BEGIN
    NEW.offered_at := clock_timestamp();
    seen := least(NEW.offered_at, NEW.sale_until - interval '1 microsecond');
    SELECT count(*), coalesce(min(sku.unit), 0), coalesce(max(sku.unit), 0), coalesce(max(sku.discount), 0),
           count(*) FILTER (WHERE sku.is_offered), coalesce(min(sku.unit) FILTER (WHERE sku.is_offered), 0),
           coalesce(max(sku.unit) FILTER (WHERE sku.is_offered), 0),
           coalesce(max(sku.discount) FILTER (WHERE sku.is_offered), 0), min(sku.changes_at)
      INTO NEW.sku_count, NEW.price_from_won, NEW.price_to_won, NEW.discount_max_bp,
           NEW.offered_count, NEW.offered_from_won, NEW.offered_to_won, NEW.offered_discount_bp, NEW.offered_until
      FROM (SELECT s.price_won - s.price_won * s.discount_ratio_bp / 10000 AS unit, s.discount_ratio_bp AS discount,
                   s.is_active
                   AND CASE WHEN seen < NEW.sale_from THEN coalesce(NEW.sale_from < s.sale_until, true)
                            ELSE coalesce(s.sale_from <= seen, true) AND coalesce(seen < s.sale_until, true)
                       END AS is_offered,
                   CASE WHEN s.is_active THEN least(
                        CASE WHEN seen < NEW.sale_from AND NEW.sale_from < s.sale_from THEN NEW.sale_from END,
                        CASE WHEN greatest(seen, NEW.sale_from) < s.sale_from
                                  AND coalesce(s.sale_from < NEW.sale_until, true) THEN s.sale_from END,
                        CASE WHEN greatest(seen, NEW.sale_from) < s.sale_until
                                  AND coalesce(s.sale_until < NEW.sale_until, true) THEN s.sale_until END)
                   END AS changes_at
              FROM product_skus ps JOIN skus s ON s.id = ps.sku_id WHERE ps.product_id = NEW.id) AS sku;
    RETURN NEW;
END $$;
CREATE TRIGGER products_say_what_is_offered
    BEFORE INSERT OR UPDATE OF sale_from, sale_until, sku_count, price_from_won, price_to_won, discount_max_bp, offered_count,
                               offered_from_won, offered_to_won, offered_discount_bp, offered_at, offered_until
    ON products FOR EACH ROW EXECUTE FUNCTION product_says_what_is_offered();

-- Has products say anew what is offered of them. Whoever has locked SKUs locks products after them, in the order of their ids.
CREATE FUNCTION say_what_is_offered(products_of bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(products_of) > 0 THEN
        PERFORM FROM products WHERE id = ANY(products_of) ORDER BY id FOR NO KEY UPDATE;
        UPDATE products SET offered_at = NULL WHERE id = ANY(products_of);
    END IF;
END $$;

-- A SKU costs something else, or is sold at other times. Holds write `stock` and never this table.
CREATE FUNCTION products_follow_their_skus() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM say_what_is_offered(ARRAY(
        SELECT DISTINCT product_id FROM product_skus WHERE sku_id = ANY(ARRAY(
               SELECT id FROM (
                      SELECT id, price_won, discount_ratio_bp, is_active, sale_from, sale_until FROM became
                      EXCEPT
                      SELECT id, price_won, discount_ratio_bp, is_active, sale_from, sale_until FROM was) AS changed))));
    RETURN NULL;
END $$;
CREATE TRIGGER products_follow_their_skus AFTER UPDATE ON skus
    REFERENCING OLD TABLE AS was NEW TABLE AS became
    FOR EACH STATEMENT EXECUTE FUNCTION products_follow_their_skus();

-- SKUs come or go. One that is being changed is waited for, so that of its product and whoever changes it one sees the other;
-- who writes products has locked them long before.
CREATE FUNCTION products_follow_who_comes_and_goes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM skus WHERE id = ANY(ARRAY(SELECT sku_id FROM changed)) ORDER BY id FOR NO KEY UPDATE;
    PERFORM say_what_is_offered(ARRAY(SELECT DISTINCT product_id FROM changed));
    RETURN NULL;
END $$;
CREATE TRIGGER products_follow_who_comes AFTER INSERT ON product_skus
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION products_follow_who_comes_and_goes();
CREATE TRIGGER products_follow_who_goes AFTER DELETE ON product_skus
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION products_follow_who_comes_and_goes();

CREATE FUNCTION products_follow_who_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM skus WHERE id IN (OLD.sku_id, NEW.sku_id) ORDER BY id FOR NO KEY UPDATE;
    PERFORM say_what_is_offered(ARRAY[OLD.product_id, NEW.product_id]);
    RETURN NULL;
END $$;
CREATE TRIGGER products_follow_who_moves AFTER UPDATE OF sku_id, product_id ON product_skus
    FOR EACH ROW EXECUTE FUNCTION products_follow_who_moves();

-- Whether buyers see a SKU: the shop has not taken it off, and they see its product, if it has one.
CREATE FUNCTION sku_is_for_buyers(sku bigint, is_active boolean) RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT is_active AND coalesce((
       SELECT product_state(p.is_active, p.offered_count, p.archived_at, p.sale_from, p.sale_until) IN ('on_sale', 'upcoming')
         FROM product_skus ps JOIN products p ON p.id = ps.product_id WHERE ps.sku_id = sku), true) $$;
