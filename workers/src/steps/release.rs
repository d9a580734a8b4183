//! Release: a hold whose time is up ends, and its units go back.

use holdfast::domain::ids::{OrderId, SkuId};
use holdfast::event::OrderEvent;
use holdfast::store::events::NewEvent;
use holdfast::store::orders;
use holdfast::store::stock::{self, StockChange};
use holdfast::store::waiting;
use metrics::{counter, histogram};
use sqlx::PgConnection;

use super::facts;
use crate::engine::{counted_at_commit, served};

/// Ends those of these holds whose time is up, writes that down, and returns what it does to the stock, for the
/// caller to apply together with its own changes: SKUs are locked once and in order.
pub async fn expire(tx: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<Vec<StockChange>> {
    let expired = orders::expire(tx, orders).await?;
    if expired.is_empty() {
        return Ok(Vec::new());
    }
    let told: Vec<NewEvent> = expired
        .iter()
        .map(|hold| NewEvent {
            order_id: hold.id,
            command_id: None,
            event: OrderEvent::Expired { expires_at: hold.expires_at, released_at: hold.released_at },
        })
        .collect();
    facts::append(tx, &told).await?;
    let lateness =
        expired.iter().map(|hold| (hold.released_at - hold.expires_at).as_seconds_f64().max(0.0)).collect();
    counted_at_commit::record(histogram!("holdfast_release_lateness_seconds"), lateness);
    let ids: Vec<OrderId> = expired.iter().map(|hold| hold.id).collect();
    units_back(tx, &ids).await
}

/// [`expire`], and the stock with it.
pub async fn expire_and_give_back(tx: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<usize> {
    let changes = expire(tx, orders).await?;
    change_stock(tx, &changes).await?;
    Ok(changes.len())
}

/// Changes the stock, and gives what comes free to those who wait for it: whatever frees units does it by this.
pub async fn change_stock(tx: &mut PgConnection, changes: &[StockChange]) -> sqlx::Result<()> {
    let lines = stock::change(tx, changes).await?;
    if !lines.is_empty() {
        serve_lines(tx, &lines).await?;
    }
    Ok(())
}

/// Serves the lines of these SKUs. Returns whether anybody has left one.
pub(crate) async fn serve_lines(tx: &mut PgConnection, skus: &[SkuId]) -> sqlx::Result<bool> {
    let served = waiting::serve(tx, skus).await?;
    let count = |outcome, times| {
        counted_at_commit::count(counter!("holdfast_waits_ended_total", "outcome" => outcome), times);
    };
    count("served", served.holds.len());
    count("in_vain", served.ended);
    let has_moved = served.has_moved;
    served::note(served);
    Ok(has_moved)
}

/// The change that gives the units of these orders back.
pub async fn units_back(tx: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<Vec<StockChange>> {
    let units = stock::units_of(tx, orders).await?;
    Ok(units
        .into_iter()
        .map(|(sku_id, units)| StockChange { sku_id, on_hand: 0, reserved: -units })
        .collect())
}

/// Units that leave the shop.
pub(crate) fn sold(units: Vec<(SkuId, i32)>) -> impl Iterator<Item = StockChange> {
    units.into_iter().map(|(sku_id, units)| StockChange { sku_id, on_hand: -units, reserved: -units })
}
