//! A cart as it is shown, with what its items cost and how many there are now.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::CartOwner;
use super::checkouts::LastCheckout;
use super::settle::Outcome;
use crate::domain::items::MAX_ITEMS;
use crate::domain::money::Won;
use crate::store::stock::skus::{self, SkuRow};

/// A cart and what is known about it.
#[derive(Debug, Default)]
pub struct ShownCart {
    /// In the order they were put in.
    pub lines: Vec<Line>,
    pub last_checkout: Option<LastCheckout>,
    /// Whether there is something to write down before it is shown: a checkout has been decided, or that the cart is still used.
    pub is_behind: bool,
    /// By PostgreSQL's clock: what is on sale depends on it.
    pub now: DateTime<Utc>,
}

/// A SKU in a cart.
#[derive(Debug)]
pub struct Line {
    pub sku_code: String,
    pub quantity: i32,
    /// What one unit cost after discount when it was put in.
    pub unit_amount: Won,
    /// Nothing if buyers cannot see it, be it that the shop hides it or that the catalogue does not know it any more.
    pub sku: Option<SkuRow>,
}

/// Somebody's cart; an empty one if there is none. What is in it and how its checkout stands is one snapshot; the catalogue is read
/// after it.
pub async fn read(conn: &mut PgConnection, owner: &CartOwner) -> sqlx::Result<ShownCart> {
    let (customer, guest) = owner.columns();
    let rows = sqlx::query!(
        r#"SELECT now() AS "now!", c.touched_at < now() - interval '1 day'
                  OR EXISTS (SELECT FROM cart_checkouts open JOIN orders ON orders.id = open.order_id
                              WHERE open.cart_id = c.id AND (open.outcome IS NULL OR open.is_watched)
                                AND (orders.status <> 'waiting' OR open.is_watched
                                     OR orders.fingerprint <> open.fingerprint)) AS "is_behind!",
                  last.order_id AS "order_id?", last.created_at AS "checked_out_at?: DateTime<Utc>",
                  last.outcome AS "outcome?: Outcome", o.refusal AS "refusal?",
                  i.sku_code AS "sku_code?", i.quantity AS "quantity?", i.unit_amount_won AS "unit_amount_won?"
             FROM carts c
             LEFT JOIN LATERAL (SELECT order_id, created_at, outcome FROM cart_checkouts WHERE cart_id = c.id
                                 ORDER BY created_at DESC LIMIT 1) last ON true
             LEFT JOIN orders o ON o.id = last.order_id AND last.outcome = 'refused'
             LEFT JOIN cart_items i ON i.cart_id = c.id
            WHERE c.customer_id = $1 OR c.guest_hash = $2
            ORDER BY i.put_in_at, i.sku_code LIMIT $3"#,
        customer,
        guest,
        MAX_ITEMS as i64,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut cart = ShownCart::default();
    for row in rows {
        (cart.is_behind, cart.now) = (row.is_behind, row.now);
        let outcome = row.outcome.map(Into::into);
        cart.last_checkout = row.order_id.zip(row.checked_out_at).map(|(order, created_at)| LastCheckout {
            order: order.into(),
            created_at,
            outcome,
            refusal: row.refusal,
        });
        if let (Some(sku_code), Some(quantity), Some(unit_amount)) =
            (row.sku_code, row.quantity, row.unit_amount_won)
        {
            cart.lines.push(Line { sku_code, quantity, unit_amount: Won(unit_amount), sku: None });
        }
    }
    let codes: Vec<String> = cart.lines.iter().map(|line| line.sku_code.clone()).collect();
    let found = skus::for_buyers(conn, &codes).await?;
    let mut found: HashMap<String, SkuRow> =
        found.into_iter().map(|sku| (sku.definition.code.to_string(), sku)).collect();
    for line in &mut cart.lines {
        line.sku = found.remove(&line.sku_code);
    }
    Ok(cart)
}
