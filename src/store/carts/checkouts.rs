//! Checkouts of carts: what was asked for under a key. A checkout is claimed before its order is asked for, and what one has
//! claimed no other one asks for; what became of it is written down in `settle`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::settle::{self, Outcome};
use super::{CartId, items};
use crate::domain::cart::{CheckoutOutcome, units_of};
use crate::domain::ids::{Fingerprint, OrderId, SkuCode};
use crate::domain::items::{RequestedItem, RequestedItems};
use crate::store::orders;

/// Checkouts of one cart whose order nobody has seen.
const MAX_UNSEEN: usize = 10;
/// Those, and others whose order waits in line: of these a customer has as many as their limit of live holds lets them.
const MAX_OPEN: usize = 100;
/// One whose order nobody has seen for longer than this keeps nothing from another: it may never have reached the broker, and
/// nobody may repeat it.
const GIVES_WAY_AFTER_SECONDS: i32 = 600;
/// Of those that gave way so many of a cart are looked at should their order come after all, the last ones.
const MAX_WATCHED: i64 = 50;

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
    /// All of it is asked for already, by this order among others.
    AskedForBy(OrderId),
    /// So many checkouts of this cart are open that it takes no more.
    TooManyOpen,
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
        settle::settle(&mut *conn, cart).await?;
        if let Some(known) = known(&mut *conn, cart, order).await? {
            return again(conn, cart, order, known, fingerprint).await;
        }
    }
    // An order that was placed without a cart, or so long ago that its checkout is forgotten.
    if orders::find(&mut *conn, order).await?.is_some() {
        return Ok(Claimed::KeyUsed);
    }
    let Some(cart) = cart else { return Ok(Claimed::NothingInIt) };
    let wanted = items(&mut *conn, cart).await?;
    if wanted.is_empty() {
        return Ok(Claimed::NothingInIt);
    }
    give_way(&mut *conn, cart).await?;
    let open = Open::of(&mut *conn, cart).await?;
    let Ok(items) = wanted.without(&open.units()).to_order() else {
        let by = open.last_with(|item| wanted.quantity(&item.sku).is_some());
        return Ok(by.map_or(Claimed::NothingInIt, Claimed::AskedForBy));
    };
    if !open.has_room() {
        return Ok(Claimed::TooManyOpen);
    }
    write(conn, cart, order, &items, fingerprint(&items)).await?;
    Ok(Claimed::Items(items))
}

/// A checkout under an id that comes again.
struct Known {
    items: RequestedItems,
    fingerprint: Fingerprint,
    outcome: Option<Outcome>,
}

/// What a checkout under this id asked for before, if there was one. It is locked against its removal.
async fn known(conn: &mut PgConnection, cart: CartId, order: OrderId) -> sqlx::Result<Option<Known>> {
    let row = sqlx::query!(
        r#"SELECT items, fingerprint, outcome AS "outcome: Outcome" FROM cart_checkouts
            WHERE order_id = $1 AND cart_id = $2 FOR NO KEY UPDATE"#,
        order.uuid(),
        cart.0,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (items, fingerprint) = (read_items(row.items)?, Fingerprint(row.fingerprint));
    Ok(Some(Known { items, fingerprint, outcome: row.outcome }))
}

/// What a settled cart's checkout comes to whose key comes again.
async fn again(
    conn: &mut PgConnection,
    cart: CartId,
    order: OrderId,
    known: Known,
    fingerprint: impl Fn(&RequestedItems) -> Fingerprint + Send,
) -> sqlx::Result<Claimed> {
    if known.fingerprint != fingerprint(&known.items) || known.outcome == Some(Outcome::OfAnotherOrder) {
        return Ok(Claimed::KeyUsed);
    }
    // What has been decided stays decided, such as an order that was called off in line.
    if known.outcome != Some(Outcome::GivenUp) || orders::find(&mut *conn, order).await?.is_some() {
        return Ok(Claimed::Items(known.items));
    }
    // It gave way; its items may be asked for by another one since.
    give_way(&mut *conn, cart).await?;
    let (in_cart, open) = (items(&mut *conn, cart).await?, Open::of(&mut *conn, cart).await?);
    if in_cart.is_short_for(&known.items, &open.units()) {
        let by = open.last_with(|item| known.items.iter().any(|own| own.sku == item.sku));
        return Ok(by.map_or(Claimed::TooManyOpen, Claimed::AskedForBy));
    }
    if !open.has_room() {
        return Ok(Claimed::TooManyOpen);
    }
    reopen(conn, order).await?;
    Ok(Claimed::Items(known.items))
}

/// Opens a checkout again whose order nobody has seen: as the last one of its cart, which it is by now.
async fn reopen(conn: &mut PgConnection, order: OrderId) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE cart_checkouts
            SET outcome = NULL, settled_at = NULL, is_watched = false, created_at = clock_timestamp()
          WHERE order_id = $1",
        order.uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
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

/// Lets checkouts of a locked cart give way whose order nobody has seen for long. The last of them are still looked at.
async fn give_way(conn: &mut PgConnection, cart: CartId) -> sqlx::Result<()> {
    let gave_way = sqlx::query!(
        "UPDATE cart_checkouts SET outcome = 'given_up', settled_at = now(), is_watched = true
          WHERE cart_id = $1 AND outcome IS NULL AND created_at < now() - make_interval(secs => $2::integer)
            AND NOT EXISTS (SELECT FROM orders WHERE orders.id = cart_checkouts.order_id)",
        cart.0,
        GIVES_WAY_AFTER_SECONDS,
    );
    if gave_way.execute(&mut *conn).await?.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE cart_checkouts SET is_watched = false
          WHERE order_id = ANY(ARRAY(
                SELECT order_id FROM cart_checkouts WHERE cart_id = $1 AND is_watched
                 ORDER BY settled_at DESC, created_at DESC OFFSET $2))",
        cart.0,
        MAX_WATCHED,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The open checkouts of a cart, the oldest first.
struct Open(Vec<OpenCheckout>);

struct OpenCheckout {
    order: OrderId,
    items: RequestedItems,
    /// Whether its order is there, and waits in line.
    is_seen: bool,
}

impl Open {
    async fn of(conn: &mut PgConnection, cart: CartId) -> sqlx::Result<Self> {
        let rows = sqlx::query!(
            r#"SELECT c.order_id, c.items, o.id IS NOT NULL AS "is_seen!"
                 FROM cart_checkouts c LEFT JOIN orders o ON o.id = c.order_id
                WHERE c.cart_id = $1 AND c.outcome IS NULL ORDER BY c.created_at LIMIT $2"#,
            cart.0,
            MAX_OPEN as i64,
        )
        .fetch_all(conn)
        .await?;
        let open = |order: Uuid, items, is_seen| {
            Ok(OpenCheckout { order: order.into(), items: read_items(items)?, is_seen })
        };
        let open = rows.into_iter().map(|row| open(row.order_id, row.items, row.is_seen));
        open.collect::<sqlx::Result<_>>().map(Self)
    }

    /// What all of them ask for.
    fn units(&self) -> Vec<(SkuCode, i32)> {
        units_of(self.0.iter().map(|open| &open.items))
    }

    /// The last of them that has such an item.
    fn last_with(&self, wanted: impl Fn(&RequestedItem) -> bool) -> Option<OrderId> {
        let last = self.0.iter().rev().find(|open| open.items.iter().any(&wanted));
        last.map(|open| open.order)
    }

    /// Whether one more may be open.
    fn has_room(&self) -> bool {
        self.0.len() < MAX_OPEN && self.0.iter().filter(|open| !open.is_seen).count() < MAX_UNSEEN
    }
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
