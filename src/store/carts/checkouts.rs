//! Checkouts of carts: what was asked for under a key, and what became of it. A checkout is claimed before its order is asked
//! for, and settled under the cart's lock by whoever sees first how its order stands: so its items leave the cart once.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{CartId, items, leave};
use crate::domain::allocation::HeldItem;
use crate::domain::cart::{self, CheckoutOutcome};
use crate::domain::ids::{Fingerprint, OrderId, SkuCode};
use crate::domain::items::RequestedItems;
use crate::store::orders::{self, OrderRow};

/// Checkouts of one cart that nobody has decided about yet.
const MAX_OPEN: i64 = 10;
/// One whose order nobody has seen for longer than this gives way to the next one, should there be too many: it may never have
/// reached the broker, and nobody may repeat it.
const GIVES_WAY_AFTER_SECONDS: i32 = 600;

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

/// The last checkout of a cart.
#[derive(Debug, Clone)]
pub struct LastCheckout {
    pub order: OrderId,
    pub created_at: DateTime<Utc>,
    /// Nothing while it is open.
    pub outcome: Option<CheckoutOutcome>,
    /// Why its order was refused.
    pub refusal: Option<serde_json::Value>,
}

/// What came of claiming a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// These items are to be ordered, now or again.
    Items(RequestedItems),
    /// The key was used for another request.
    KeyUsed,
    /// There is nothing to order.
    NothingInIt,
    /// So many checkouts of this cart are open that it takes no more.
    TooManyOpen,
}

struct Checkout {
    order: OrderId,
    fingerprint: Fingerprint,
}

/// Claims a checkout of a customer's cart, which is locked if there is one: the items that its order is to have from now on, whatever
/// becomes of the cart. `fingerprint` is that of an order of these items on the terms that are asked for.
pub async fn claim(
    conn: &mut PgConnection,
    cart: Option<CartId>,
    order: OrderId,
    fingerprint: impl Fn(&RequestedItems) -> Fingerprint + Send,
) -> sqlx::Result<Claimed> {
    if let Some(cart) = cart {
        settle(&mut *conn, cart).await?;
        if let Some((items, known)) = claimed_before(&mut *conn, cart, order).await? {
            if known.fingerprint != fingerprint(&items) {
                return Ok(Claimed::KeyUsed);
            }
            let is_open = !known.is_given_up || reopen(conn, cart, order).await?;
            return Ok(if is_open { Claimed::Items(items) } else { Claimed::TooManyOpen });
        }
    }
    // An order that was placed without a cart, or so long ago that its checkout is forgotten.
    if orders::find(&mut *conn, order).await?.is_some() {
        return Ok(Claimed::KeyUsed);
    }
    let Some(cart) = cart else { return Ok(Claimed::NothingInIt) };
    let Ok(items) = items(&mut *conn, cart).await?.to_order() else { return Ok(Claimed::NothingInIt) };
    if !make_room(&mut *conn, cart).await? {
        return Ok(Claimed::TooManyOpen);
    }
    write(conn, cart, order, &items, fingerprint(&items)).await?;
    Ok(Claimed::Items(items))
}

/// A checkout under an id that comes again.
struct Known {
    fingerprint: Fingerprint,
    is_given_up: bool,
}

/// What a checkout under this id asked for before, if there was one.
async fn claimed_before(
    conn: &mut PgConnection,
    cart: CartId,
    order: OrderId,
) -> sqlx::Result<Option<(RequestedItems, Known)>> {
    let row = sqlx::query!(
        r#"SELECT items, fingerprint, outcome AS "outcome: Outcome" FROM cart_checkouts
            WHERE order_id = $1 AND cart_id = $2"#,
        order.uuid(),
        cart.0,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let is_given_up = row.outcome == Some(Outcome::GivenUp);
    let known = Known { fingerprint: Fingerprint(row.fingerprint), is_given_up };
    Ok(Some((read_items(row.items)?, known)))
}

async fn write(
    conn: &mut PgConnection,
    cart: CartId,
    order: OrderId,
    items: &RequestedItems,
    fingerprint: Fingerprint,
) -> sqlx::Result<()> {
    let written = serde_json::to_value(items).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query!(
        "INSERT INTO cart_checkouts (order_id, cart_id, items, fingerprint) VALUES ($1, $2, $3, $4)",
        order.uuid(),
        cart.0,
        written,
        fingerprint.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Opens a checkout again that was given up, if there is room: its key was used again, so its order may still be held.
async fn reopen(conn: &mut PgConnection, cart: CartId, order: OrderId) -> sqlx::Result<bool> {
    if !make_room(&mut *conn, cart).await? {
        return Ok(false);
    }
    sqlx::query!(
        "UPDATE cart_checkouts SET outcome = NULL, settled_at = NULL, created_at = clock_timestamp()
          WHERE order_id = $1",
        order.uuid(),
    )
    .execute(conn)
    .await?;
    Ok(true)
}

/// Whether one more checkout of a locked cart may be open. If there are too many, the oldest gives way once it is old.
async fn make_room(conn: &mut PgConnection, cart: CartId) -> sqlx::Result<bool> {
    let open = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM cart_checkouts WHERE cart_id = $1 AND outcome IS NULL"#,
        cart.0,
    );
    if open.fetch_one(&mut *conn).await? < MAX_OPEN {
        return Ok(true);
    }
    let given_up = sqlx::query!(
        "UPDATE cart_checkouts SET outcome = 'given_up', settled_at = now()
          WHERE order_id = ANY(ARRAY(
                SELECT order_id FROM cart_checkouts
                 WHERE cart_id = $1 AND outcome IS NULL AND created_at < now() - make_interval(secs => $2::integer)
                   AND NOT EXISTS (SELECT FROM orders WHERE orders.id = cart_checkouts.order_id)
                 ORDER BY created_at LIMIT 1))",
        cart.0,
        GIVES_WAY_AFTER_SECONDS,
    );
    Ok(given_up.execute(conn).await?.rows_affected() == 1)
}

/// Settles what has been decided of a locked cart's checkouts: what a hold was given for leaves the cart.
pub async fn settle(conn: &mut PgConnection, cart: CartId) -> sqlx::Result<()> {
    let open = open_of(&mut *conn, cart).await?;
    if open.is_empty() {
        return Ok(());
    }
    let ids: Vec<OrderId> = open.iter().map(|checkout| checkout.order).collect();
    // Not locked: what has been held once stays that, and what is to come is settled at the next look.
    let decided = orders::find_all(&mut *conn, &ids).await?;
    let (were_held, items_held) = held_of(&mut *conn, &decided).await?;
    let before = items(&mut *conn, cart).await?;
    let (mut left, mut orders, mut outcomes) = (before.clone(), Vec::new(), Vec::new());
    for checkout in open {
        let Some(order) = decided.iter().find(|order| order.id == checkout.order) else { continue };
        let is_the_same = order.fingerprint == checkout.fingerprint;
        let Some(outcome) = cart::outcome(&order.state, is_the_same, were_held.contains(&order.id)) else {
            continue;
        };
        if outcome == CheckoutOutcome::Held {
            let bought: Vec<(SkuCode, i32)> = items_held
                .iter()
                .filter(|(of, _)| *of == order.id)
                .map(|(_, item)| (item.sku.clone(), item.quantity))
                .collect();
            left = left.without(&bought);
        }
        orders.push(checkout.order.uuid());
        outcomes.push(Outcome::from(outcome));
    }
    if orders.is_empty() {
        return Ok(());
    }
    if left != before {
        leave(&mut *conn, cart, &left).await?;
    }
    mark(conn, &orders, &outcomes).await
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

/// The open checkouts of a cart, the oldest first.
async fn open_of(conn: &mut PgConnection, cart: CartId) -> sqlx::Result<Vec<Checkout>> {
    let rows = sqlx::query!(
        "SELECT order_id, fingerprint FROM cart_checkouts
          WHERE cart_id = $1 AND outcome IS NULL ORDER BY created_at LIMIT $2",
        cart.0,
        MAX_OPEN,
    )
    .fetch_all(conn)
    .await?;
    let checkouts = rows
        .into_iter()
        .map(|row| Checkout { order: row.order_id.into(), fingerprint: Fingerprint(row.fingerprint) });
    Ok(checkouts.collect())
}

async fn mark(conn: &mut PgConnection, orders: &[Uuid], outcomes: &[Outcome]) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE cart_checkouts SET outcome = settled.outcome, settled_at = now()
           FROM unnest($1::uuid[], $2::cart_checkout_outcome[]) AS settled (order_id, outcome)
          WHERE cart_checkouts.order_id = settled.order_id",
        orders,
        outcomes as &[Outcome],
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn read_items(items: serde_json::Value) -> sqlx::Result<RequestedItems> {
    serde_json::from_value(items).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Removes at most `at_most` checkouts that were settled more than `days` ago. Returns how many.
pub async fn remove_settled(conn: &mut PgConnection, days: i32, at_most: i64) -> sqlx::Result<i64> {
    let removed = sqlx::query!(
        "DELETE FROM cart_checkouts WHERE order_id = ANY(ARRAY(
             SELECT order_id FROM cart_checkouts
              WHERE outcome IS NOT NULL AND settled_at < now() - make_interval(days => $1)
              ORDER BY settled_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
        days,
        at_most,
    )
    .execute(conn)
    .await?;
    Ok(i64::try_from(removed.rows_affected()).unwrap_or(i64::MAX))
}
