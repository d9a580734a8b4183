//! Orders: one is paid, one expires and gives its unit to the next buyer, one is refused.

use std::time::{Duration, Instant};

use anyhow::ensure;
use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Shop, id, instant, say};

/// How long an unpaid hold of the story lasts.
const HOLD_SECONDS: u64 = 5;
/// The sweeper would release it this late at the latest; the timer does so within a fraction of a second.
const LATEST_RELEASE: Duration = Duration::from_secs(HOLD_SECONDS + 8);

/// Alice orders and pays from her wallet. Returns her order.
pub(crate) async fn an_order_is_paid(shop: &Shop, sku: &str) -> anyhow::Result<String> {
    let contact = json!({"email": "alice@example.com"});
    let (status, _) = shop.call("alice", Method::PUT, "/v1/customer", contact).await?;
    ensure!(status == 200, "alice's address was not taken: {status}");
    let (status, order) = shop.order("alice", sku, 1_200).await?;
    ensure!(status == 201 && order["status"] == "held", "alice's order is not held: {status} {order}");
    say(
        2,
        &format!("alice orders one: held until {}", instant(&order["expires_at"])?.format("%H:%M:%S UTC")),
    );

    let charge = json!({"amount_won": 50_000});
    let (status, wallet) = shop.call("alice", Method::POST, "/v1/wallet/charges", charge).await?;
    ensure!(status == 201, "the wallet was not charged: {status} {wallet}");
    let path = format!("/v1/orders/{}/payments", id(&order)?);
    let (status, paid) = shop.call("alice", Method::POST, &path, json!({"method": "wallet"})).await?;
    ensure!(status == 200 && paid["status"] == "paid", "alice's order is not paid: {status} {paid}");
    let (_, wallet) = shop.call("alice", Method::GET, "/v1/wallet", Value::Null).await?;
    ensure!(wallet["balance_won"] == 35_000, "alice's wallet is {wallet}");
    say(3, "alice pays 15,000 of her 50,000 won: paid, 35,000 left");
    Ok(id(&order)?.to_owned())
}

/// Bob does not pay, and Dave gets the unit. Returns Dave's order.
pub(crate) async fn a_unit_comes_back(shop: &Shop, sku: &str) -> anyhow::Result<String> {
    let started = Instant::now();
    let (status, order) = shop.order("bob", sku, HOLD_SECONDS).await?;
    ensure!(status == 201, "bob's order is not held: {status} {order}");
    say(4, &format!("bob orders the last one, held for {HOLD_SECONDS} seconds"));

    let (status, refusal) = shop.order("carol", sku, HOLD_SECONDS).await?;
    ensure!(
        status == 409 && refusal["shortages"][0]["available"] == 0,
        "carol was not refused: {status} {refusal}"
    );
    say(5, "carol wants one too: refused, 0 available");

    let bob = id(&order)?;
    while shop.status("bob", bob).await?["status"] != "expired" {
        ensure!(started.elapsed() < LATEST_RELEASE, "bob's hold was not released");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let order = shop.status("bob", bob).await?;
    let (due, released) = (instant(&order["expires_at"])?, instant(&order["closed_at"])?);
    say(
        6,
        &format!(
            "bob does not pay: expired, released {} ms after its time",
            (released - due).num_milliseconds()
        ),
    );

    let (status, order) = shop.order("dave", sku, 1_200).await?;
    ensure!(status == 201, "dave did not get the unit: {status} {order}");
    say(7, "dave orders it now: held");
    Ok(id(&order)?.to_owned())
}
