//! What a product says of the prices of its SKUs. A SKU's price has one home, `skus`; a product repeats what lists are sorted
//! by, and follows it in the transaction that changes a price or which SKUs are whose.

use sqlx::PgConnection;

use crate::domain::ids::SkuId;

/// Has the products of these SKUs follow their prices. Whoever changes a price calls it afterwards, in the same transaction.
pub async fn follow(conn: &mut PgConnection, skus: &[SkuId]) -> sqlx::Result<()> {
    let skus: Vec<i64> = skus.iter().map(|sku| sku.0).collect();
    let products = sqlx::query_scalar!(
        "SELECT p.id FROM products p
          WHERE p.id = ANY(ARRAY(SELECT product_id FROM product_skus WHERE sku_id = ANY($1)))
          ORDER BY p.id FOR NO KEY UPDATE OF p",
        &skus,
    )
    .fetch_all(&mut *conn)
    .await?;
    refresh(conn, &products).await
}

/// Sums up the prices of the SKUs of these products, which are locked. It has to be a statement of its own: it must see what
/// was committed by those for whom the lock was waited for.
pub(super) async fn refresh(conn: &mut PgConnection, products: &[i64]) -> sqlx::Result<()> {
    if products.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE products p
            SET sku_count = sums.sku_count, price_from_won = sums.price_from_won, price_to_won = sums.price_to_won,
                discount_max_bp = sums.discount_max_bp
           FROM unnest($1::bigint[]) AS wanted (id)
          CROSS JOIN LATERAL (
                SELECT count(*)::int AS sku_count,
                       coalesce(min(s.price_won - s.price_won * s.discount_ratio_bp / 10000), 0) AS price_from_won,
                       coalesce(max(s.price_won - s.price_won * s.discount_ratio_bp / 10000), 0) AS price_to_won,
                       coalesce(max(s.discount_ratio_bp), 0) AS discount_max_bp
                  FROM product_skus ps JOIN skus s ON s.id = ps.sku_id WHERE ps.product_id = wanted.id) AS sums
          WHERE p.id = wanted.id
            AND (p.sku_count, p.price_from_won, p.price_to_won, p.discount_max_bp)
                IS DISTINCT FROM (sums.sku_count, sums.price_from_won, sums.price_to_won, sums.discount_max_bp)",
        products,
    )
    .execute(conn)
    .await?;
    Ok(())
}
