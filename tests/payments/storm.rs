//! A thousand orders paid in every way and partly given back, while the gateway does what gateways do wrong and workers are
//! killed: at rest, the gateway's books, ours and the orders say the same.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::client::Client;
use crate::support::processes::Process;
use crate::support::random::Random;
use crate::support::{eventually, eventually_within};

const ORDERS: usize = 1_000;
const ORDERS_OF_ONE_BUYER: usize = 4;
/// What the workers do that are killed again and again.
const POOLS: &str = "payment.confirm=1,payment.resolve=2,order.refund=1,refund.resolve=2";
/// The older a payment is, the later it is asked about again: what the kills left open may take several such rounds.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often the workers are killed.
const KILLS: usize = 20;
/// Requests on their way at once: fewer than the test's own pool has connections to spare for.
const AT_ONCE: usize = 12;

/// One order of two mugs, 2,000 won.
struct Order {
    shop: Client,
    id: String,
    /// What becomes of it if the gateway lets it.
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Fate {
    ByCard,
    Mixed,
    FromWallet,
    HalfBack,
    WhollyBack,
}

const FATES: [Fate; 5] = [Fate::ByCard, Fate::Mixed, Fate::FromWallet, Fate::HalfBack, Fate::WhollyBack];

#[tokio::test(flavor = "multi_thread")]
async fn after_a_storm_of_faults_and_kills_the_gateways_books_are_ours() {
    let stage = Stage::without_money_workers().await;
    let stage = &stage;
    stage.shop.stock("mug", 10_000).await;
    let orders: Vec<Order> =
        stream::iter(0..ORDERS).map(|number| place(stage, number)).buffered(AT_ONCE).collect().await;
    stage.control("PUT", "faults", &faults()).await;

    let wreck = async {
        let mut random = Random(7);
        for _ in 0..KILLS {
            let mut worker = Process::worker(&stage.world, POOLS);
            worker.until_logged("consuming").await;
            tokio::time::sleep(Duration::from_millis(u64::try_from(random.below(900)).unwrap())).await;
            worker.kill();
        }
        Process::worker(&stage.world, POOLS)
    };
    let use_it = async {
        stream::iter(&orders).for_each_concurrent(AT_ONCE, |order| pay(stage, order)).await;
        give_back(stage, &orders).await;
    };
    let (_worker, ()) = tokio::join!(wreck, use_it);
    rest(stage).await;
    check(stage, &orders).await;
}

/// What gateways do wrong, and sometimes a lie: "declined" although the money was taken, which a webhook tells later.
fn faults() -> Value {
    let mut calls = Vec::new();
    for operation in ["confirm", "cancel"] {
        for (fault, probability) in [
            (json!({"kind": "done_then_reset"}), 0.08),
            (json!({"kind": "reset_before"}), 0.06),
            (json!({"kind": "error", "status": 500, "done": true}), 0.08),
            (json!({"kind": "error", "status": 500}), 0.06),
            (json!({"kind": "late", "ms": 200}), 0.1),
            (json!({"kind": "hang", "done": true}), 0.01),
            (json!({"kind": "wrong_amount", "amount": 7}), 0.02),
        ] {
            let mut fault = fault;
            fault["on"] = json!(operation);
            fault["probability"] = json!(probability);
            calls.push(fault);
        }
    }
    calls.push(json!({"on": "confirm", "kind": "decline", "probability": 0.1}));
    calls.push(json!({"on": "confirm", "kind": "error", "status": 400, "code": "REJECT_CARD_PAYMENT",
        "done": true, "probability": 0.04}));
    calls.push(json!({"on": "find", "kind": "reset_before", "probability": 0.1}));
    let webhooks = json!([{"kind": "duplicate", "times": 2, "probability": 0.3},
        {"kind": "delayed", "ms": 3_000, "probability": 0.3}]);
    json!({"calls": calls, "webhooks": webhooks})
}

async fn place(stage: &Stage, number: usize) -> Order {
    let shop = stage.shop.as_customer(&format!("buyer-{}", number / ORDERS_OF_ONE_BUYER));
    if number.is_multiple_of(ORDERS_OF_ONE_BUYER) {
        shop.charge(10_000).await;
        shop.post("/v1/points/charges", &json!({"amount_won": 10_000})).await;
    }
    let order = shop.place("mug", 2, 3_600).await;
    assert_eq!(order.status, 201, "{order:?}");
    let id = order.text("id").to_owned();
    Order { shop, id, fate: FATES[number % FATES.len()] }
}

async fn pay(stage: &Stage, order: &Order) {
    let card = async |amount: i64| {
        let key = stage.authenticate(&order.id, amount).await;
        json!({"payment_key": key, "amount_won": amount})
    };
    let body = match order.fate {
        Fate::FromWallet => json!({"method": "wallet"}),
        Fate::Mixed => {
            json!({"method": "mixed", "wallet_won": 700, "points_won": 500, "card": card(800).await})
        }
        Fate::ByCard | Fate::HalfBack | Fate::WhollyBack => {
            let mut body = card(2_000).await;
            body["method"] = json!("card");
            body
        }
    };
    accepted(order, "payments", &body).await;
}

/// Asks for refunds as soon as a payment is settled, well or not.
async fn give_back(stage: &Stage, orders: &[Order]) {
    let asked = |order: &&Order| matches!(order.fate, Fate::HalfBack | Fate::WhollyBack);
    stream::iter(orders.iter().filter(asked))
        .for_each_concurrent(AT_ONCE, async |order| {
            eventually_within(PATIENCE, "the payment is settled", async || {
                let sql = "SELECT EXISTS (SELECT FROM payments WHERE order_id = $1::text::uuid
                                          AND status IN ('captured', 'declined'))";
                let settled = sqlx::query_scalar::<_, bool>(sql).bind(&order.id);
                // A pool that is busy now is asked again.
                settled.fetch_one(&stage.world.pool).await.is_ok_and(|settled| settled).then_some(())
            })
            .await;
            let body = match order.fate {
                Fate::HalfBack => json!({"items": [{"sku": "mug", "quantity": 1}]}),
                _ => json!({}),
            };
            accepted(order, "refunds", &body).await;
        })
        .await;
}

async fn accepted(order: &Order, what: &str, body: &Value) {
    let key = format!("{what}-{}", order.id);
    // Under such a load "unavailable" is a fair answer, and the same key the way on from it.
    let answer = eventually("the call is answered", async || {
        let request = order.shop.request(Method::POST, &format!("/v1/orders/{}/{what}", order.id));
        let answer = order.shop.send(request.header("Idempotency-Key", &key).json(body)).await;
        (answer.status != 503).then_some(answer)
    })
    .await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

/// Waits until nothing is on its way any more: no command, no question, no webhook.
async fn rest(stage: &Stage) {
    let open = "SELECT (SELECT count(*) FROM payments WHERE status IN ('requesting', 'unknown', 'returning'))
                     + (SELECT count(*) FROM refunds WHERE status = 'requesting')";
    eventually_within(PATIENCE, "everything is at its end", async || {
        for queue in ["payment.confirm", "payment.resolve", "order.refund", "refund.resolve"] {
            if stage.world.depth(queue).await > 0 {
                return None;
            }
        }
        let webhooks = stage.control("GET", "webhooks", &Value::Null).await;
        let is_told = |webhook: &Value| webhook["answers"].as_array().unwrap().last() == Some(&json!(200));
        let told = webhooks["webhooks"].as_array().unwrap().iter().all(is_told);
        (told && stage.world.count(open).await == 0).then_some(())
    })
    .await;
}

/// What became of the orders, by what was to become of them; nothing while the gateway has something else of one of them
/// than its state says.
async fn ends(stage: &Stage, orders: &[Order]) -> Option<HashMap<(Fate, String), usize>> {
    let books = stage.control("GET", "books", &Value::Null).await;
    let taken: HashMap<&str, i64> = books["payments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|payment| (payment["orderId"].as_str().unwrap(), payment["balance"].as_i64().unwrap()))
        .collect();
    let mut ends: HashMap<(Fate, String), usize> = HashMap::new();
    for order in orders {
        let status = order.shop.status(&order.id).await;
        let card = if order.fate == Fate::Mixed { 800 } else { 2_000 };
        let expected = match status.as_str() {
            "paid" if order.fate != Fate::FromWallet => card,
            "partly_refunded" => 1_000,
            _ => 0,
        };
        if taken.get(order.id.as_str()).copied().unwrap_or(0) != expected {
            return None;
        }
        *ends.entry((order.fate, status)).or_default() += 1;
    }
    Some(ends)
}

async fn check(stage: &Stage, orders: &[Order]) {
    // Money that was taken under a lie of the gateway's is noticed once its webhook has been followed.
    let ends =
        eventually_within(PATIENCE, "books and orders say the same", async || ends(stage, orders).await)
            .await;
    for (fate, end) in [
        (Fate::ByCard, "paid"),
        (Fate::ByCard, "held"),
        (Fate::Mixed, "paid"),
        (Fate::FromWallet, "paid"),
        (Fate::HalfBack, "partly_refunded"),
        (Fate::WhollyBack, "refunded"),
    ] {
        assert!(ends.contains_key(&(fate, end.to_owned())), "the storm was too mild: {ends:?}");
    }
    let times = |fate: Fate| ends.get(&(fate, "paid".to_owned())).copied().unwrap_or(0) as i64;
    let filled = (ORDERS / ORDERS_OF_ONE_BUYER) as i64 * 10_000;
    let left = [
        stage.world.count("SELECT sum(amount_won)::bigint FROM balances WHERE account = 'wallet'").await,
        stage.world.count("SELECT sum(amount_won)::bigint FROM balances WHERE account = 'points'").await,
    ];
    let spent = times(Fate::FromWallet) * 2_000 + times(Fate::Mixed) * 700;
    assert_eq!(left, [filled - spent, filled - times(Fate::Mixed) * 500]);
    let (clean, report) = stage.reconcile(&[]);
    assert!(clean, "{report}");
    assert_eq!(stage.world.count("SELECT count(*) FROM dead_letters").await, 0);
    stage.world.audit().await;
}
