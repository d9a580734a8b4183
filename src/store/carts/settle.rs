//! What became of a cart's checkouts: written down under the cart's lock by whoever sees first how an order stands, so that its items
//! leave the cart once.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{CartId, items, leave};
use crate::domain::allocation::HeldItem;
use crate::domain::cart::{self, CheckoutOutcome};
use crate::domain::ids::{Fingerprint, OrderId, SkuCode};
use crate::store::orders::{self, OrderRow};

/// Checkouts that are settled at once; the next look goes on.
const AT_ONCE: i64 = 150;

/// As it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "cart_checkout_outcome", rename_all = "snake_case")]
pub(super) enum Outcome {
    Held,
    Refused,
    OfAnotherOrder,
    GivenUp,
}

impl From<CheckoutOutcome> for Outcome {
    fn from(outcome: CheckoutOutcome) -> Self {
        match outcome {
            CheckoutOutcome::Held => Self::Held,
            CheckoutOutcome::Refused => Self::Refused,
            CheckoutOutcome::OfAnotherOrder => Self::OfAnotherOrder,
            CheckoutOutcome::GivenUp => Self::GivenUp,
        }
    }
}

impl From<Outcome> for CheckoutOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Held => Self::Held,
            Outcome::Refused => Self::Refused,
            Outcome::OfAnotherOrder => Self::OfAnotherOrder,
            Outcome::GivenUp => Self::GivenUp,
        }
    }
}

/// A checkout whose order has been seen.
struct Checkout {
    order: OrderId,
    fingerprint: Fingerprint,
    /// Whether it gave way before that.
    is_watched: bool,
}

/// Settles what has been decided of a locked cart's checkouts: what a hold was given for leaves the cart.
pub async fn settle(conn: &mut PgConnection, cart: CartId) -> sqlx::Result<()> {
    let seen = seen_of(&mut *conn, cart).await?;
    if seen.is_empty() {
        return Ok(());
    }
    let ids: Vec<OrderId> = seen.iter().map(|checkout| checkout.order).collect();
    // Not locked: what has been held once stays that, and what is to come is settled at the next look.
    let decided = orders::find_all(&mut *conn, &ids).await?;
    let (were_held, items_held) = held_of(&mut *conn, &decided).await?;
    let before = items(&mut *conn, cart).await?;
    let (mut left, mut orders, mut outcomes) = (before.clone(), Vec::new(), Vec::new());
    for checkout in seen {
        let Some(order) = decided.iter().find(|order| order.id == checkout.order) else { continue };
        let is_the_same = order.fingerprint == checkout.fingerprint;
        let outcome = cart::outcome(&order.state, is_the_same, were_held.contains(&order.id));
        // One that gave way and stands in line is open again.
        if outcome.is_none() && !checkout.is_watched {
            continue;
        }
        if outcome == Some(CheckoutOutcome::Held) {
            let bought: Vec<(SkuCode, i32)> = items_held
                .iter()
                .filter(|(of, _)| *of == order.id)
                .map(|(_, item)| (item.sku.clone(), item.quantity))
                .collect();
            left = left.without(&bought);
        }
        orders.push(checkout.order.uuid());
        outcomes.push(outcome.map(Outcome::from));
    }
    if orders.is_empty() {
        return Ok(());
    }
    if left != before {
        leave(&mut *conn, cart, &left).await?;
    }
    mark(conn, &orders, &outcomes).await
}

/// The checkouts of a cart about whose order there is something to write down, the oldest first.
async fn seen_of(conn: &mut PgConnection, cart: CartId) -> sqlx::Result<Vec<Checkout>> {
    let rows = sqlx::query!(
        "SELECT c.order_id, c.fingerprint, c.is_watched
           FROM cart_checkouts c JOIN orders o ON o.id = c.order_id
          WHERE c.cart_id = $1 AND (c.outcome IS NULL OR c.is_watched)
            AND (o.status <> 'waiting' OR c.is_watched OR o.fingerprint <> c.fingerprint)
          ORDER BY c.created_at LIMIT $2",
        cart.0,
        AT_ONCE,
    )
    .fetch_all(conn)
    .await?;
    let seen = rows.into_iter().map(|row| Checkout {
        order: row.order_id.into(),
        fingerprint: Fingerprint(row.fingerprint),
        is_watched: row.is_watched,
    });
    Ok(seen.collect())
}

/// Which of these orders were held at some time, and what they have: of an order that was content with any of its items, not all that
/// was asked for.
async fn held_of(
    conn: &mut PgConnection,
    decided: &[OrderRow],
) -> sqlx::Result<(Vec<OrderId>, Vec<(OrderId, HeldItem)>)> {
    let ids: Vec<OrderId> = decided.iter().map(|order| order.id).collect();
    let uuids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let held = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM unnest($1::uuid[]) AS asked (id)
            WHERE EXISTS (SELECT FROM order_events WHERE order_id = asked.id AND type = 'order.held')"#,
        &uuids,
    )
    .fetch_all(&mut *conn)
    .await?;
    let items = orders::items_of(conn, &ids).await?;
    Ok((held.into_iter().map(Into::into).collect(), items))
}

/// Writes down what became of these; without an outcome one is open again.
async fn mark(conn: &mut PgConnection, orders: &[Uuid], outcomes: &[Option<Outcome>]) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE cart_checkouts
            SET outcome = settled.outcome, is_watched = false,
                settled_at = CASE WHEN settled.outcome IS NULL THEN NULL ELSE now() END
           FROM unnest($1::uuid[], $2::cart_checkout_outcome[]) AS settled (order_id, outcome)
          WHERE cart_checkouts.order_id = settled.order_id",
        orders,
        outcomes as &[Option<Outcome>],
    )
    .execute(conn)
    .await?;
    Ok(())
}
