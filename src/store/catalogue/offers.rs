//! What a product says of the prices of its SKUs. A SKU's price and sale have one home, `skus`; a product repeats what lists are
//! sorted by. Triggers of the schema have it follow whoever writes a SKU, in the same transaction. Time alone is followed by the
//! sweeper: a SKU whose own sale begins or ends within that of its product.

use sqlx::PgConnection;

/// Has products say anew what is offered of them where the time has come, at most `at_most`. Returns how many.
pub async fn say_anew(conn: &mut PgConnection, at_most: i64) -> sqlx::Result<u64> {
    // What somebody else has locked says it by then, or is found again a second later: nobody waits here.
    let said = sqlx::query!(
        "UPDATE products SET offered_at = NULL
          WHERE id = ANY(ARRAY(SELECT id FROM products WHERE offered_until <= now()
                                ORDER BY offered_until LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED))",
        at_most,
    )
    .execute(conn)
    .await?;
    Ok(said.rows_affected())
}
