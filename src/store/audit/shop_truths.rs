//! The truths of what is around the engine: who waits in line, products and carts.

use super::{Key, Truth};

pub(super) const NOBODY_WAITS_FOR_WHAT_IS_FREE: Truth = Truth {
    name: "nobody_waits_for_what_is_free",
    pieces: None,
    broken_by: "SELECT 'order ' || l.order_id AS row
           FROM stock st
           JOIN skus s ON s.id = st.sku_id
          CROSS JOIN LATERAL (
                SELECT order_id FROM waiting_lines
                 WHERE sku_id = st.sku_id AND quantity <= st.on_hand - st.reserved LIMIT 100) l
           JOIN waiting_orders w ON w.order_id = l.order_id
          WHERE st.least_waiting IS NOT NULL AND s.is_active AND w.wait_until > now()
            AND greatest(s.sale_from, s.updated_at) <= now() - interval '1 minute'
            AND coalesce(now() < s.sale_until, true)",
};

pub(super) const WAITING_ORDERS_STAND_IN_LINE: Truth = Truth {
    name: "waiting_orders_stand_in_line",
    pieces: None,
    broken_by: "SELECT 'order ' || coalesce(o.id, w.order_id) AS row
           FROM (SELECT id, customer_id, expires_at FROM orders WHERE status = 'waiting') o
           FULL JOIN waiting_orders w ON w.order_id = o.id
          WHERE (o.customer_id, o.expires_at) IS DISTINCT FROM (w.customer_id, w.wait_until)
             OR NOT EXISTS (SELECT FROM waiting_lines l WHERE l.order_id = w.order_id)",
};

pub(super) const NO_LINE_IS_OVERLOOKED: Truth = Truth {
    name: "no_line_is_overlooked",
    pieces: None,
    broken_by: "SELECT 'sku ' || l.sku_id AS row
           FROM (SELECT sku_id, min(quantity) AS least FROM waiting_lines GROUP BY sku_id) l
           LEFT JOIN stock st ON st.sku_id = l.sku_id
          WHERE st.least_waiting IS NULL OR st.least_waiting > l.least",
};

pub(super) const PRODUCTS_SAY_WHAT_THEIR_SKUS_COST: Truth = Truth {
    name: "products_say_what_their_skus_cost",
    pieces: None,
    // Of SKUs that a buyer could have at the instant as of which the product says it, which is soon after it had to say it anew.
    broken_by: "SELECT 'product ' || p.code AS row
           FROM (SELECT *, least(offered_at, sale_until - interval '1 microsecond') AS seen FROM products) p
           LEFT JOIN LATERAL (
                SELECT count(*) AS offered, max(s.discount_ratio_bp) AS discount,
                       min(s.price_won - s.price_won * s.discount_ratio_bp / 10000) AS lowest,
                       max(s.price_won - s.price_won * s.discount_ratio_bp / 10000) AS highest
                  FROM product_skus ps JOIN skus s ON s.id = ps.sku_id
                 WHERE ps.product_id = p.id AND s.is_active AND coalesce(greatest(p.seen, p.sale_from) < s.sale_until, true)
                   AND (coalesce(p.seen < p.sale_from, false) OR coalesce(s.sale_from <= p.seen, true))) c ON true
          WHERE p.offered_at IS NULL OR p.offered_until < now() - interval '1 minute'
             OR (p.offered_count, p.offered_from_won, p.offered_to_won, p.offered_discount_bp) IS DISTINCT FROM
                (c.offered, coalesce(c.lowest, 0), coalesce(c.highest, 0), coalesce(c.discount, 0))",
};

pub(super) const PRODUCTS_ARE_FOUND_BY_THEIR_TERMS: Truth = Truth {
    name: "products_are_found_by_their_terms",
    pieces: None,
    broken_by:
        "SELECT 'product ' || coalesce(p.id, t.product_id) || ' by ' || coalesce(p.term, t.term) AS row
           FROM (SELECT id, archived_at IS NOT NULL AS is_archived, unnest(terms) AS term FROM products) p
           FULL JOIN product_terms t
                ON t.product_id = p.id AND t.term = p.term AND t.is_archived = p.is_archived
          WHERE p.id IS NULL OR t.product_id IS NULL",
};

pub(super) const A_CART_GIVES_UP_ONLY_WHAT_WAS_HELD: Truth = Truth {
    name: "a_cart_gives_up_only_what_was_held",
    pieces: Some(Key::Order),
    // What leaves the cart is what the order has: no more than was asked for.
    broken_by: "SELECT 'checkout ' || c.order_id AS row FROM cart_checkouts c LEFT JOIN orders o ON o.id = c.order_id
          WHERE c.order_id > $1 AND c.order_id <= $2 AND c.outcome IN ('held', 'refused')
            AND (o.id IS NULL OR o.fingerprint <> c.fingerprint OR (o.status = 'refused') <> (c.outcome = 'refused')
                 OR c.outcome = 'held'
                    AND (NOT EXISTS (SELECT FROM order_events e WHERE e.order_id = o.id AND e.type = 'order.held')
                         OR EXISTS (SELECT FROM order_items i JOIN skus s ON s.id = i.sku_id
                                     WHERE i.order_id = o.id
                                       AND NOT c.items @> jsonb_build_array(
                                               jsonb_build_object('sku', s.code, 'quantity', i.quantity)))))",
};
