//! Payments by card through a gateway that takes 50 ms for every call.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use holdfast::domain::gateway::PaymentKey;
use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::money::Won;
use holdfast::message::{CardPart, ConfirmPayment, PayBy, Version};
use holdfast_simulator::{Settings, Simulator};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::feed::Feed;
use crate::options::Plan;
use crate::orders::Orders;
use crate::progress::Progress;
use crate::report::{Row, thousands};
use crate::servers::Servers;
use crate::stage::Stage;

const ORDERS: Orders = Orders { skus: 1_000, hold_seconds: 3_600 };
const LATENCY_MS: u64 = 50;
/// What every order costs: gateways take no less than 100 won.
const AMOUNT_WON: i64 = 1_000;
/// Requests on their way at once while payments are prepared.
const AT_ONCE: usize = 64;

/// Payments per second of one worker process, from the first that is asked for to the last that is captured.
pub(crate) async fn by_card(plan: &Plan, servers: &Servers) -> anyhow::Result<Row> {
    let count = plan.card_payments;
    let measure = format!("Card payments/s of one worker, {LATENCY_MS} ms a call");
    let mut progress = Progress::start(measure.clone());
    let stage = Stage::open(servers, ORDERS.skus).await?;
    sqlx::query("UPDATE skus SET price_won = $1").bind(AMOUNT_WON).execute(&stage.pool).await?;
    let feed = Feed::open(&stage).await;
    feed.pour(ORDERS, count, || false, &mut progress).await?;
    let holding = stage.workers(&[("HOLDFAST_POOLS", "order.hold=2")]).await?;
    stage.wait_for_orders(count).await?;
    holding.kill().await?;

    let simulator = Simulator::start(Settings::default()).await?;
    let commands = authenticated(&stage, &simulator).await?;
    control(&simulator, "PUT", "settings", json!({"latency_ms": LATENCY_MS})).await?;
    stream::iter(&commands)
        .map(|command| feed.give(command))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    let secret_key = Settings::default().secret_key;
    let gateway = [("HOLDFAST_TOSS_URL", simulator.url()), ("HOLDFAST_TOSS_SECRET_KEY", secret_key)];
    let workers = stage.workers(&gateway.each_ref().map(|(name, value)| (*name, value.as_str()))).await?;
    wait_until_paid(&stage, count, &mut progress).await?;
    workers.kill().await?;
    let seconds: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM max(e.created_at) - min(p.created_at))::float8
           FROM payments p JOIN ledger_entries e ON e.transaction_id = p.id",
    )
    .fetch_one(&stage.pool)
    .await?;
    stage.close().await?;
    let rate = count as f64 / seconds;
    progress.done(&format!("{rate:.0}/s"));
    let row = Row::new(measure, format!("{} payments: {}/s", thousands(count as f64), thousands(rate)));
    Ok(row.goal("≥ 400/s", rate >= 400.0))
}

/// The buyers agree at the gateway. Returns the commands that pay.
async fn authenticated(stage: &Stage, simulator: &Simulator) -> anyhow::Result<Vec<ConfirmPayment>> {
    let held: Vec<uuid::Uuid> =
        sqlx::query_scalar("SELECT id FROM orders WHERE status = 'held'").fetch_all(&stage.pool).await?;
    stream::iter(held)
        .map(async |id| {
            let order_id = OrderId::from(id);
            let agreed = json!({"orderId": order_id, "amount": AMOUNT_WON});
            let payment = control(simulator, "POST", "payments", agreed).await?;
            let key = payment["paymentKey"].as_str().context("a payment has a key")?;
            let card = CardPart { payment_key: PaymentKey::parse(key)?, amount_won: Won(AMOUNT_WON) };
            let (command_id, pay_by) = (CommandId::fresh(), PayBy::Card(card));
            anyhow::Ok(ConfirmPayment { version: Version, command_id, order_id, pay_by })
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn control(simulator: &Simulator, method: &str, path: &str, body: Value) -> anyhow::Result<Value> {
    static CLIENT: LazyLock<Client> = LazyLock::new(Client::new);
    let request = CLIENT.request(method.parse()?, format!("{}/control/{path}", simulator.url()));
    let answer = request.json(&body).send().await?.error_for_status()?.text().await?;
    Ok(serde_json::from_str(&answer).unwrap_or_default())
}

async fn wait_until_paid(stage: &Stage, count: usize, progress: &mut Progress) -> anyhow::Result<()> {
    loop {
        let paid: i64 = sqlx::query_scalar("SELECT count(*) FROM orders WHERE status = 'paid'")
            .fetch_one(&stage.pool)
            .await?;
        if usize::try_from(paid)? == count {
            return Ok(());
        }
        progress.count("orders paid", paid.unsigned_abs());
        sleep(Duration::from_millis(250)).await;
    }
}
