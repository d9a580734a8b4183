//! Carts: what somebody means to buy. Whoever changes a cart locks it first; a customer's is locked before a guest's, and who
//! has locked one locks nothing else.

pub mod checkouts;
pub mod merge;
mod settle;
pub mod shown;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

pub use self::settle::settle;
use super::decoded;
use crate::domain::cart::CartItems;
use crate::domain::ids::{CustomerId, SkuCode};
use crate::domain::items::{Quantity, RequestedItem};
use crate::domain::money::Won;

/// A cart's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CartId(pub(super) i64);

/// Whose a cart is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CartOwner {
    Customer(CustomerId),
    /// Whoever has the secret of this hash.
    Guest([u8; 32]),
}

impl CartOwner {
    /// The two columns, one of which is set.
    fn columns(&self) -> (Option<&str>, Option<&[u8]>) {
        match self {
            Self::Customer(customer) => (Some(customer.as_str()), None),
            Self::Guest(hash) => (None, Some(hash)),
        }
    }
}

/// A cart that is locked until the transaction ends.
#[derive(Debug, Clone, Copy)]
pub struct OpenCart {
    pub id: CartId,
    /// Whether it was made just now.
    pub is_new: bool,
}

/// Locks somebody's cart, and makes one if there is none: `of_stranger`, if nobody who is known vouches for them.
pub async fn open(conn: &mut PgConnection, owner: &CartOwner, of_stranger: bool) -> sqlx::Result<OpenCart> {
    if let Some(id) = lock(&mut *conn, owner).await? {
        return Ok(OpenCart { id, is_new: false });
    }
    // Somebody may make it between the two statements; then it is theirs that is locked.
    let (id, is_new) = match owner {
        CartOwner::Customer(customer) => {
            let row = sqlx::query!(
                r#"INSERT INTO carts (customer_id) VALUES ($1)
                   ON CONFLICT (customer_id) DO UPDATE SET touched_at = now() RETURNING id, (xmax = 0) AS "is_new!""#,
                customer.as_str(),
            );
            let row = row.fetch_one(conn).await?;
            (row.id, row.is_new)
        }
        CartOwner::Guest(hash) => {
            let row = sqlx::query!(
                r#"INSERT INTO carts (guest_hash, of_stranger) VALUES ($1, $2)
                   ON CONFLICT (guest_hash) DO UPDATE SET touched_at = now() RETURNING id, (xmax = 0) AS "is_new!""#,
                hash,
                of_stranger,
            );
            let row = row.fetch_one(conn).await?;
            (row.id, row.is_new)
        }
    };
    Ok(OpenCart { id: CartId(id), is_new })
}

/// Locks somebody's cart, if there is one, and notes that it is used.
pub async fn lock(conn: &mut PgConnection, owner: &CartOwner) -> sqlx::Result<Option<CartId>> {
    let (customer, guest) = owner.columns();
    let id = sqlx::query_scalar!(
        "UPDATE carts
            SET touched_at = CASE WHEN touched_at < now() - interval '1 hour' THEN now() ELSE touched_at END
          WHERE customer_id = $1 OR guest_hash = $2 RETURNING id",
        customer,
        guest,
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(CartId))
}

/// What is in a cart.
pub async fn items(conn: &mut PgConnection, cart: CartId) -> sqlx::Result<CartItems> {
    let rows = sqlx::query!(
        "SELECT sku_code, quantity FROM cart_items WHERE cart_id = $1 ORDER BY put_in_at, sku_code",
        cart.0,
    )
    .fetch_all(conn)
    .await?;
    let item = |sku: String, quantity: i32| {
        let sku = decoded(SkuCode::parse(sku))?;
        Ok(RequestedItem { sku, quantity: decoded(Quantity::parse(quantity.into()))? })
    };
    let items = rows.into_iter().map(|row| item(row.sku_code, row.quantity));
    items.collect::<sqlx::Result<_>>().map(CartItems::new)
}

/// Puts an item into a locked cart. What is in it already keeps the price at which it was put in.
pub async fn put(
    conn: &mut PgConnection,
    cart: CartId,
    item: &RequestedItem,
    unit_amount: Won,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO cart_items (cart_id, sku_code, quantity, unit_amount_won) VALUES ($1, $2, $3, $4)
         ON CONFLICT (cart_id, sku_code) DO UPDATE SET quantity = excluded.quantity",
        cart.0,
        item.sku.as_str(),
        item.quantity.units(),
        unit_amount.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a SKU out of a locked cart; without one, everything.
pub async fn take_out(conn: &mut PgConnection, cart: CartId, sku: Option<&SkuCode>) -> sqlx::Result<()> {
    sqlx::query!(
        "DELETE FROM cart_items WHERE cart_id = $1 AND ($2::text IS NULL OR sku_code = $2)",
        cart.0,
        sku.map(SkuCode::as_str),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Leaves in a locked cart what is left of it, and no more than that.
async fn leave(conn: &mut PgConnection, cart: CartId, left: &CartItems) -> sqlx::Result<()> {
    let (skus, quantities) = columns(left);
    sqlx::query!("DELETE FROM cart_items WHERE cart_id = $1 AND sku_code <> ALL($2::text[])", cart.0, &skus,)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "UPDATE cart_items SET quantity = kept.quantity
           FROM unnest($2::text[], $3::int[]) AS kept (sku_code, quantity)
          WHERE cart_items.cart_id = $1 AND cart_items.sku_code = kept.sku_code
            AND cart_items.quantity <> kept.quantity",
        cart.0,
        &skus,
        &quantities,
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn columns(items: &CartItems) -> (Vec<String>, Vec<i32>) {
    items.iter().map(|item| (item.sku.to_string(), item.quantity.units())).unzip()
}

/// Carts that nobody uses any more.
#[derive(Debug, Clone, Copy)]
pub enum Idle {
    OfGuests,
    OfCustomers,
}

/// Removes at most `at_most` carts of a kind that nobody used for `days`, with all that is in them. Returns how many.
pub async fn remove_idle(conn: &mut PgConnection, kind: Idle, days: i32, at_most: i64) -> sqlx::Result<i64> {
    // Each kind by its own index, which a condition on a parameter would not lead to.
    let removed = match kind {
        Idle::OfGuests => {
            sqlx::query!(
                "DELETE FROM carts WHERE id = ANY(ARRAY(
                     SELECT id FROM carts WHERE customer_id IS NULL AND touched_at < now() - make_interval(days => $1)
                      ORDER BY touched_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
                days,
                at_most,
            )
            .execute(conn)
            .await?
        }
        Idle::OfCustomers => {
            sqlx::query!(
                "DELETE FROM carts WHERE id = ANY(ARRAY(
                     SELECT id FROM carts WHERE customer_id IS NOT NULL AND touched_at < now() - make_interval(days => $1)
                      ORDER BY touched_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
                days,
                at_most,
            )
            .execute(conn)
            .await?
        }
    };
    Ok(i64::try_from(removed.rows_affected()).unwrap_or(i64::MAX))
}

/// When the carts of strangers that are too many were last used: those used then or before are beyond the `most` that are kept.
pub async fn too_many_of_strangers(
    conn: &mut PgConnection,
    most: i64,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    let last = sqlx::query_scalar!(
        "SELECT touched_at FROM carts WHERE of_stranger ORDER BY touched_at DESC OFFSET $1 LIMIT 1",
        most,
    );
    last.fetch_optional(conn).await
}

/// Removes at most `at_most` carts of strangers that nobody has used since then, with all that is in them. Returns how many.
pub async fn remove_of_strangers(
    conn: &mut PgConnection,
    last_used: DateTime<Utc>,
    at_most: i64,
) -> sqlx::Result<i64> {
    let removed = sqlx::query!(
        "DELETE FROM carts WHERE id = ANY(ARRAY(
             SELECT id FROM carts WHERE of_stranger AND touched_at <= $1
              ORDER BY touched_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
        last_used,
        at_most,
    )
    .execute(conn)
    .await?;
    Ok(i64::try_from(removed.rows_affected()).unwrap_or(i64::MAX))
}
