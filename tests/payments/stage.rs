//! A world with a simulator as its gateway.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use holdfast::gateway::breaker::BreakerRules;
use holdfast::gateway::guard::{GuardRules, Guarded};
use holdfast::gateway::port::Gateway;
use holdfast::gateway::toss::{Toss, TossSettings};
use holdfast::message::Queue;
use holdfast::peers::secret::Secret;
use holdfast::peers::webhook::WebhookSecrets;
use holdfast_simulator::{Settings, Simulator};
use holdfast_workers::pools::Pool;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::eventually;
use crate::support::processes::{HOLDFAST, of};
use crate::support::world::World;

/// A gateway that hangs is given up after this long.
const TIMEOUT: Duration = Duration::from_millis(1_500);

pub struct Stage {
    pub world: World,
    pub shop: Client,
    pub simulator: Simulator,
    http: reqwest::Client,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with_secrets(&[]).await
    }

    /// Nobody brings card payments and charges to their end: the test starts a program that does.
    pub async fn without_resolvers() -> Self {
        Self::without(&[Queue::PaymentResolve, Queue::WalletCharge].map(Pool::Commands)).await
    }

    /// Nobody brings refunds to their end: the test starts a program that does.
    pub async fn without_refunders() -> Self {
        Self::without(&[Pool::Commands(Queue::RefundResolve)]).await
    }

    /// Nobody takes payments or gives them back: the test starts a program that does.
    pub async fn without_money_workers() -> Self {
        let but = [Queue::PaymentConfirm, Queue::PaymentResolve, Queue::OrderRefund, Queue::RefundResolve];
        Self::without(&but.map(Pool::Commands)).await
    }

    /// Nobody works these pools.
    pub async fn without(pools: &[Pool]) -> Self {
        Self::open(&[], |pool| !pools.contains(&pool)).await
    }

    /// With webhooks signed by these secrets.
    pub async fn with_secrets(secrets: &[&str]) -> Self {
        Self::open(secrets, |_| true).await
    }

    async fn open(secrets: &[&str], runs: impl Fn(Pool) -> bool) -> Self {
        let settings = Settings::default();
        let secrets: Vec<Secret> = secrets.iter().map(|secret| secret.parse().unwrap()).collect();
        let secret_key = settings.secret_key.clone();
        let simulator = Simulator::start(settings).await.unwrap();
        let toss = Toss::new(&TossSettings {
            url: simulator.url(),
            secret_key: secret_key.parse().unwrap(),
            timeout: TIMEOUT,
            webhook_secrets: WebhookSecrets::parse(&secrets).unwrap(),
        })
        .unwrap();
        // Tests break most calls, which a breaker would keep back. It has tests of its own, and the programs of the storm
        // have it.
        let breaker = BreakerRules { least_failures: u32::MAX, ..BreakerRules::default() };
        let rules = GuardRules { concurrency: 64, patience: TIMEOUT, breaker };
        let gateway: Arc<dyn Gateway> = Arc::new(Guarded::new(Arc::new(toss), rules));
        let mut world = World::idle().await;
        world.gateway = Some(gateway);
        world.limits.max_live_holds = 100;
        world.environment = vec![
            ("HOLDFAST_TOSS_URL".to_owned(), simulator.url()),
            ("HOLDFAST_TOSS_SECRET_KEY".to_owned(), secret_key),
            ("HOLDFAST_GATEWAY_TIMEOUT_SECONDS".to_owned(), TIMEOUT.as_secs_f64().to_string()),
        ];
        Pool::all().filter(|pool| runs(*pool)).for_each(|pool| world.start_workers(pool));
        let shop = world.start_api().await;
        shop.stock("mug", 1_000).await;
        let stage = Self { world, shop, simulator, http: reqwest::Client::new() };
        let webhooks = json!({"webhook_url": format!("{}/v1/webhooks/toss", stage.shop.base)});
        stage.control("PUT", "settings", &webhooks).await;
        stage
    }

    /// A control call to the simulator; the body of its answer.
    pub async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}/control/{path}", self.simulator.url());
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = self.http.request(method, url).json(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}: {:?}", answer.status(), answer.text().await);
        serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null)
    }

    /// From now on these calls go wrong, and nothing else.
    pub async fn faults(&self, calls: Value) {
        self.control("PUT", "faults", &json!({"calls": calls})).await;
    }

    /// An order on hold that costs 1,000 won a mug, and the key of its payment.
    pub async fn held(&self, mugs: i64, hold_seconds: i64) -> (String, String) {
        let order = self.shop.place("mug", mugs, hold_seconds).await;
        assert_eq!(order.status, 201, "{order:?}");
        let id = order.text("id").to_owned();
        let key = self.authenticate(&id, mugs * 1_000).await;
        (id, key)
    }

    /// The buyer agrees to pay for an order at the gateway.
    pub async fn authenticate(&self, order: &str, amount: i64) -> String {
        let payment = self.control("POST", "payments", &json!({"orderId": order, "amount": amount})).await;
        payment["paymentKey"].as_str().unwrap().to_owned()
    }

    /// Money is taken at the gateway, and not by us.
    pub async fn confirm_behind_our_back(&self, order: &str, payment_key: &str, amount: i64) {
        let url = format!("{}/v1/payments/confirm", self.simulator.url());
        let body = json!({"paymentKey": payment_key, "orderId": order, "amount": amount});
        let secret_key = Settings::default().secret_key;
        let answer = self.http.post(url).basic_auth(secret_key, Some("")).json(&body).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// Money goes back at the gateway, and not by us.
    pub async fn cancel_behind_our_back(&self, payment_key: &str) {
        let url = format!("{}/v1/payments/{payment_key}/cancel", self.simulator.url());
        let (secret_key, body) = (Settings::default().secret_key, json!({"cancelReason": "a person did it"}));
        let answer = self.http.post(url).basic_auth(secret_key, Some("")).json(&body).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    pub async fn pay(&self, order: &str, payment_key: &str, amount_won: i64) -> Answer {
        let body = json!({"method": "card", "payment_key": payment_key, "amount_won": amount_won});
        self.shop.post(&format!("/v1/orders/{order}/payments"), &body).await
    }

    /// Asks for a payment by card without waiting for what comes of it.
    pub async fn ask_to_pay(&self, order: &str, payment_key: &str, amount_won: i64) {
        let body = json!({"method": "card", "payment_key": payment_key, "amount_won": amount_won});
        let path = format!("/v1/orders/{order}/payments");
        let answer = self.shop.send(self.shop.request(reqwest::Method::POST, &path).json(&body)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    /// What `holdfast reconcile` says about the last and the next hour.
    pub fn reconcile(&self, arguments: &[&str]) -> (bool, Value) {
        let now = holdfast::clock::now();
        let (from, to) = (now - TimeDelta::hours(1), now + TimeDelta::hours(1));
        let mut command = Command::new(&*HOLDFAST);
        of(&self.world, &mut command).arg("reconcile").args(["--from", &from.to_rfc3339()]);
        let done = command.args(["--to", &to.to_rfc3339(), "--json"]).args(arguments).output().unwrap();
        let report = serde_json::from_slice(&done.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
        (done.status.success(), report)
    }

    /// What the gateway took for an order and did not give back.
    pub async fn balance(&self, order: &str) -> i64 {
        let books = self.control("GET", "books", &Value::Null).await;
        let payments = books["payments"].as_array().unwrap();
        let of_order = payments.iter().filter(|payment| payment["orderId"] == order);
        of_order.map(|payment| payment["balance"].as_i64().unwrap()).sum()
    }

    /// Waits until an order's newest card payment has this status.
    pub async fn until_payment_is(&self, order: &str, status: &str) {
        let sql = "SELECT status::text FROM payments WHERE order_id = $1::text::uuid
                    ORDER BY created_at DESC LIMIT 1";
        eventually(&format!("the payment of {order} is {status}"), async || {
            let found: Option<String> =
                sqlx::query_scalar(sql).bind(order).fetch_optional(&self.world.pool).await.unwrap();
            (found.as_deref() == Some(status)).then_some(())
        })
        .await;
    }

    /// Stops everything and checks the truths.
    pub async fn finish(self) {
        self.world.finish().await;
    }
}
