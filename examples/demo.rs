//! The story of Holdfast against a running one: an order that is paid from a wallet, one that expires and whose unit the
//! next buyer pays for by card, an order that is refused. Exits non-zero when anything differs. `make demo` runs it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

/// How long an unpaid hold of the story lasts.
const HOLD_SECONDS: u64 = 5;
/// The sweeper would release it this late at the latest; the timer does so within a fraction of a second.
const LATEST_RELEASE: Duration = Duration::from_secs(HOLD_SECONDS + 8);
/// What follows from a payment comes within moments.
const LATEST_EFFECT: Duration = Duration::from_secs(10);

struct Shop {
    http: Client,
    url: String,
    token: String,
    /// Makes names of this run different from those of earlier ones.
    run: String,
}

impl Shop {
    async fn call(&self, who: &str, method: Method, path: &str, body: Value) -> anyhow::Result<(u16, Value)> {
        let request = self
            .http
            .request(method.clone(), format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .header("Holdfast-Customer", format!("{who}-{}", self.run))
            .header("Idempotency-Key", Uuid::new_v4().to_string())
            .header("Prefer", "wait=10");
        let request = if method == Method::GET { request } else { request.json(&body) };
        let response = request.send().await.with_context(|| format!("no answer from {}", self.url))?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    async fn order(&self, who: &str, sku: &str, hold_seconds: u64) -> anyhow::Result<(u16, Value)> {
        let body = json!({"items": [{"sku": sku, "quantity": 1}], "hold_seconds": hold_seconds});
        self.call(who, Method::POST, "/v1/orders", body).await
    }

    async fn status(&self, who: &str, order: &str) -> anyhow::Result<Value> {
        Ok(self.call(who, Method::GET, &format!("/v1/orders/{order}"), Value::Null).await?.1)
    }
}

fn say(step: u32, text: &str) {
    println!("{step}. {text}");
}

fn id(order: &Value) -> anyhow::Result<&str> {
    order["id"].as_str().context("the order has no id")
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let variable =
        |name: &str| std::env::var(name).with_context(|| format!("{name} is not set: use `make demo`"));
    let shop = Shop {
        http: Client::new(),
        url: variable("HOLDFAST_URL")?,
        token: variable("HOLDFAST_SHOP_TOKEN")?,
        run: Uuid::new_v4().simple().to_string()[..8].to_owned(),
    };
    let sku = format!("poster-{}", shop.run);
    let poster = json!({"name": "Concert poster", "price_won": 15_000, "on_hand": 2});
    let (status, _) = shop.call("shop", Method::PUT, &format!("/v1/skus/{sku}"), poster).await?;
    ensure!(status == 201, "the SKU was not created: {status}");
    say(1, "the shop has 2 posters at 15,000 won");

    let paid = an_order_is_paid(&shop, &sku).await?;
    a_unit_comes_back(&shop, &sku).await?;
    a_payment_takes_effect(&shop, &paid).await?;

    let (_, stock) = shop.call("shop", Method::GET, &format!("/v1/skus/{sku}"), Value::Null).await?;
    ensure!(stock["available"] == 0 && stock["on_hand"] == stock["reserved"], "the stock is {stock}");
    say(10, &format!("the books agree: {} on hand and on hold, 0 available", stock["on_hand"]));
    println!("\nAll as it should be.");
    Ok(())
}

async fn an_order_is_paid(shop: &Shop, sku: &str) -> anyhow::Result<String> {
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

async fn a_unit_comes_back(shop: &Shop, sku: &str) -> anyhow::Result<()> {
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
    a_card_pays(shop, id(&order)?).await
}

/// The gateway takes the money and does not get its answer through; it is asked, and the order is paid all the same.
async fn a_card_pays(shop: &Shop, order: &str) -> anyhow::Result<()> {
    let Some(simulator) = std::env::var("HOLDFAST_SIMULATOR_URL").ok().filter(|url| !url.is_empty()) else {
        say(8, "no payment simulator runs here, so dave does not pay by card");
        return Ok(());
    };
    let control = async |path: &str, body: Value| -> anyhow::Result<Value> {
        let answer = shop.http.post(format!("{simulator}/control/{path}")).json(&body).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    };
    let fault = json!({"on": "confirm", "kind": "done_then_reset", "orderId": order, "count": 1});
    control("faults", json!({"calls": [fault]})).await?;
    let payment = control("payments", json!({"orderId": order, "amount": 15_000})).await?;
    let card = json!({"method": "card", "payment_key": payment["paymentKey"], "amount_won": 15_000});
    let started = Instant::now();
    let (status, paid) =
        shop.call("dave", Method::POST, &format!("/v1/orders/{order}/payments"), card).await?;
    ensure!(status == 200 && paid["status"] == "paid", "dave's order is not paid: {status} {paid}");
    let books: Value = shop.http.get(format!("{simulator}/control/books")).send().await?.json().await?;
    let taken = books["payments"].as_array().into_iter().flatten().find(|taken| taken["orderId"] == order);
    ensure!(taken.is_some_and(|taken| taken["captures"] == 1), "the gateway's books say {taken:?}");
    say(
        8,
        &format!(
            "dave pays by card; the gateway's answer is lost, it is asked: paid once, after {} ms",
            started.elapsed().as_millis()
        ),
    );
    Ok(())
}

/// The customer's counters tell of the payment, and so does a mail, if mails are delivered into a folder here.
async fn a_payment_takes_effect(shop: &Shop, order: &str) -> anyhow::Result<()> {
    let folder = std::env::var("HOLDFAST_MAIL_FOLDER").ok().filter(|folder| !folder.is_empty());
    let started = Instant::now();
    loop {
        let (_, alice) = shop.call("alice", Method::GET, "/v1/customer", Value::Null).await?;
        let is_counted = alice["order_count"] == 1 && alice["paid_won"] == 15_000;
        let mails = folder.as_deref().map(|folder| mails_about(Path::new(folder), order)).transpose()?;
        if is_counted && mails.is_none_or(|mails| mails == 1) {
            let mail = if mails.is_some() { "one mail, " } else { "" };
            say(9, &format!("what followed from alice's payment: {mail}1 order and 15,000 won counted"));
            return Ok(());
        }
        ensure!(started.elapsed() < LATEST_EFFECT, "alice is counted {alice}, her mails are {mails:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn mails_about(folder: &Path, order: &str) -> anyhow::Result<usize> {
    let mut count = 0;
    for file in std::fs::read_dir(folder)? {
        let is_about =
            std::fs::read_to_string(file?.path())?.contains(&format!("Subject: Your order {order}"));
        count += usize::from(is_about);
    }
    Ok(count)
}

fn instant(value: &Value) -> anyhow::Result<chrono::DateTime<chrono::Utc>> {
    Ok(value.as_str().context("the order has no such time")?.parse()?)
}
