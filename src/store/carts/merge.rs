//! A guest's cart becomes part of a customer's.

use sqlx::PgConnection;

use super::{CartOwner, columns, items, leave, lock, open, settle};
use crate::domain::cart::CartItems;

/// Moves what is in a guest's cart into a customer's, as far as it fits. Returns what does not fit, and stays where it is; if all of
/// it does, the guest's cart is removed. What was moved is in one cart only, so once more moves nothing twice.
pub async fn merge(
    conn: &mut PgConnection,
    customer: &CartOwner,
    guest: &CartOwner,
) -> sqlx::Result<CartItems> {
    let own = open(&mut *conn, customer, false).await?.id;
    settle(&mut *conn, own).await?;
    let Some(theirs) = lock(&mut *conn, guest).await? else { return Ok(CartItems::default()) };
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
    if left_out.is_empty() {
        sqlx::query!("DELETE FROM carts WHERE id = $1", theirs.0).execute(conn).await?;
    } else {
        leave(conn, theirs, &left_out).await?;
    }
    Ok(left_out)
}
