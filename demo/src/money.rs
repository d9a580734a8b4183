//! Money: by card although an answer is lost, from three sources at once, and back again.

use std::time::Instant;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::shop::{Shop, id, say};

/// The gateway takes the money and does not get its answer through; it is asked, and the order is paid all the same.
pub(crate) async fn a_card_pays(shop: &Shop, order: &str) -> anyhow::Result<()> {
    let fault = json!({"on": "confirm", "kind": "done_then_reset", "orderId": order, "count": 1});
    shop.simulator("faults", Some(json!({"calls": [fault]}))).await?;
    let Some(mut card) = shop.card(order, 15_000).await? else {
        say(8, "no payment simulator runs here, so dave does not pay by card");
        return Ok(());
    };
    card["method"] = json!("card");
    let started = Instant::now();
    let (status, paid) = shop.post("dave", &format!("/v1/orders/{order}/payments"), card).await?;
    ensure!(status == 200 && paid["status"] == "paid", "dave's order is not paid: {status} {paid}");
    let taken = shop.taken(order).await?;
    ensure!(taken["captures"] == 1, "the gateway's books say {taken}");
    let waited_ms = started.elapsed().as_millis();
    say(
        8,
        &format!(
            "dave pays by card; the gateway's answer is lost, it is asked: paid once, after {waited_ms} ms"
        ),
    );
    Ok(())
}

/// Erin charges her wallet by card, pays from wallet, points and card together, and gets all of it back.
pub(crate) async fn money_comes_and_goes(shop: &Shop, sku: &str) -> anyhow::Result<()> {
    let (status, charge) =
        shop.post("erin", "/v1/wallet/charges", json!({"amount_won": 5_000, "method": "card"})).await?;
    ensure!(status == 201 && charge["status"] == "open", "erin's charge is not open: {status} {charge}");
    let Some(card) = shop.card(id(&charge)?, 5_000).await? else {
        say(9, "no payment simulator runs here, so erin has no money");
        return Ok(());
    };
    let path = format!("/v1/wallet/charges/{}/payments", id(&charge)?);
    let (status, posted) = shop.post("erin", &path, card).await?;
    ensure!(status == 200 && posted["status"] == "posted", "erin's wallet is not charged: {status} {posted}");
    let (status, _) = shop.post("erin", "/v1/points/charges", json!({"amount_won": 3_000})).await?;
    ensure!(status == 201, "erin got no points: {status}");
    say(9, "erin charges her wallet with 5,000 won by card; the shop gives her 3,000 points");

    let (status, order) = shop.order("erin", sku, 1_200).await?;
    ensure!(status == 201, "erin's order is not held: {status} {order}");
    let order = id(&order)?;
    let card = shop.card(order, 12_000).await?;
    let mixed = json!({"method": "mixed", "wallet_won": 5_000, "points_won": 3_000, "card": card});
    let (status, paid) = shop.post("erin", &format!("/v1/orders/{order}/payments"), mixed).await?;
    ensure!(status == 200 && paid["status"] == "paid", "erin's order is not paid: {status} {paid}");
    expect_purses(shop, 0, 0).await?;
    say(10, "erin pays 20,000 won: 5,000 from her wallet, 3,000 in points, 12,000 by card");

    let (status, back) =
        shop.post("erin", &format!("/v1/orders/{order}/refunds"), json!({"reason": "too small"})).await?;
    ensure!(status == 200 && back["status"] == "refunded", "erin got no refund: {status} {back}");
    let taken = shop.taken(order).await?;
    ensure!(taken["balance"] == 0, "the gateway's books say {taken}");
    expect_purses(shop, 5_000, 3_000).await?;
    say(11, "erin sends it back: everything returns to where it came from, and the unit to the shelf");
    Ok(())
}

async fn expect_purses(shop: &Shop, wallet_won: i64, points_won: i64) -> anyhow::Result<()> {
    let (wallet, points): (Value, Value) =
        (shop.get("erin", "/v1/wallet").await?, shop.get("erin", "/v1/points").await?);
    let right = wallet["balance_won"] == wallet_won && points["balance_won"] == points_won;
    ensure!(right, "erin has {wallet} and {points}");
    Ok(())
}
