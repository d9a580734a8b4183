//! A guest's cart becomes part of a customer's.

use sqlx::PgConnection;

use super::{CartOwner, checkouts, columns, items, lock, open};
use crate::domain::cart::LeftOut;

/// Moves what is in a guest's cart into a customer's, as far as it fits, and removes the guest's. Returns what did not fit. Where
/// the guest has no cart nothing is done, so once more does nothing.
pub async fn merge(
    conn: &mut PgConnection,
    customer: &CartOwner,
    guest: &CartOwner,
) -> sqlx::Result<Vec<LeftOut>> {
    let own = open(&mut *conn, customer).await?.id;
    checkouts::settle(&mut *conn, own).await?;
    let Some(theirs) = lock(&mut *conn, guest).await? else { return Ok(vec![]) };
    let (before, brought) = (items(&mut *conn, own).await?, items(&mut *conn, theirs).await?);
    let (together, left_out) = before.with(&brought);
    let (skus, quantities) = columns(&together);
    // Each keeps the price at which it was put in first: the customer's own before the guest's.
    sqlx::query!(
        "INSERT INTO cart_items (cart_id, sku_code, quantity, unit_amount_won, put_in_at)
         SELECT $1, i.sku_code, wanted.quantity, i.unit_amount_won, i.put_in_at
           FROM cart_items i JOIN unnest($3::text[], $4::int[]) AS wanted (sku_code, quantity)
                ON wanted.sku_code = i.sku_code
          WHERE i.cart_id = $2
         ON CONFLICT (cart_id, sku_code) DO UPDATE SET quantity = excluded.quantity",
        own.0,
        theirs.0,
        &skus,
        &quantities,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM carts WHERE id = $1", theirs.0).execute(conn).await?;
    Ok(left_out)
}
