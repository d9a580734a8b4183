//! Every act of an operator has one end, whoever asks for it: the API, a form of the console or the command line leave the
//! same row in the audit log and the same state behind.

use std::io::Write as _;
use std::time::{Duration, Instant};

use holdfast::store::operators::tokens::Role;
use holdfast_workers::pools::Pool;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::letters::{Letter, hold_body};
use crate::stage::Stage;
use crate::support::client::{Answer, Client};
use crate::support::{PATIENCE, processes};

/// Longer than what orders once took, and no longer than what pools did.
fn reason() -> String {
    "the buyer called ".repeat(18).trim().to_owned()
}

/// By what an act is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    Api,
    Console,
    CommandLine,
}

/// An act on one subject, as each driver spells it.
struct Act {
    path: String,
    body: Value,
    form: (String, Vec<(&'static str, String)>),
    command: Vec<String>,
    /// The idempotency key, for those that have one.
    key: String,
    /// What the question for the end is about, if anything.
    subject: String,
    /// How things stand afterwards.
    end: &'static str,
}

/// An act with a reason beside what is given here.
fn act(
    path: &str,
    body: Value,
    form: (String, Vec<(&'static str, &str)>),
    command: &[&str],
    subject: &str,
    end: &'static str,
) -> Act {
    let key = Uuid::now_v7().to_string();
    let mut act = Act {
        path: path.to_owned(),
        body,
        form: (form.0, form.1.into_iter().map(|(name, value)| (name, value.to_owned())).collect()),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        key,
        subject: subject.to_owned(),
        end,
    };
    act.body["reason"] = reason().into();
    act.form.1.push(("reason", reason()));
    act.command.extend(["--reason".to_owned(), reason()]);
    act
}

impl Act {
    fn with_key(mut self, key: &str) -> Self {
        self.key = key.to_owned();
        self.form.1.push(("key", key.to_owned()));
        self.command.extend(["--key".to_owned(), key.to_owned()]);
        self
    }

    /// Does it; whether the driver says that it is done.
    async fn run(&self, driver: Driver, olga: &Client) -> bool {
        match driver {
            Driver::Api => (200..300).contains(&olga.post_as(&self.key, &self.path, &self.body).await.status),
            Driver::Console => submit(olga, &self.form.0, &self.form.1).await.status == 303,
            Driver::CommandLine => {
                let arguments: Vec<&str> = self.command.iter().map(String::as_str).collect();
                let output = processes::holdfast(olga, &arguments).await;
                assert!(output.status.code().is_some_and(|code| code < 2), "{arguments:?}: {output:?}");
                output.status.success()
            }
        }
    }
}

/// Sends a form of the console, with a token instead of a session.
async fn submit(client: &Client, path: &str, fields: &[(&'static str, String)]) -> Answer {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request = http.request(Method::POST, format!("{}{path}", client.base)).bearer_auth(&client.token);
    client.send(request.form(fields)).await
}

/// Acts by their names in the audit log.
const ACTS: [&str; 14] = [
    "order.cancel",
    "order.refund",
    "order.refund with a used key",
    "payment.resolve",
    "payment.settle",
    "stock.receive",
    "stock.adjust",
    "pool.pause",
    "pool.resume",
    "dead_letter.discard",
    "dead_letter.restore",
    "dead_letter.edit",
    "replay.start",
    "replay.cancel",
];

/// A subject for an act, and the act on it.
async fn prepare(name: &str, stage: &Stage, olga: &Client) -> Act {
    match name.split_once('.').unwrap().0 {
        "order" => prepare_order(name, stage, olga).await,
        "payment" => prepare_payment(name, stage).await,
        "stock" => prepare_stock(name, stage).await,
        "pool" => prepare_pool(name, olga).await,
        _ => prepare_letter(name, stage, olga).await,
    }
}

const ORDER: &str = "SELECT jsonb_build_array(o.status::text, o.refunded_won,
                       (SELECT count(*) FROM refunds r WHERE r.order_id = o.id),
                       (SELECT min(r.reason) FROM refunds r WHERE r.order_id = o.id),
                       (SELECT array_agg(p.status::text) FROM payments p WHERE p.order_id = o.id))
                       FROM orders o WHERE o.id = $1::text::uuid";
const SKU: &str =
    "SELECT jsonb_build_array(on_hand, reserved) FROM stock JOIN skus ON skus.id = sku_id WHERE code = $1";
const POOL: &str = "SELECT jsonb_agg(jsonb_build_array(actor, reason)) FROM paused_pools WHERE pool = $1";
const LETTER: &str = "SELECT jsonb_build_array(status::text) FROM dead_letters WHERE id = $1::text::uuid";
const REPLAY: &str = "SELECT jsonb_build_array(status::text, total, rate_per_second, actor, reason, $1::text)
                        FROM replays ORDER BY id DESC LIMIT 1";

async fn prepare_order(name: &str, stage: &Stage, olga: &Client) -> Act {
    let shop = &stage.shop;
    let order = shop.place("mug", 3, 600).await.text("id").to_owned();
    let paths = (format!("/v1/ops/orders/{order}"), format!("/ops/orders/{order}"));
    if name == "order.cancel" {
        let form = (format!("{}/cancel", paths.1), vec![]);
        let command = ["orders", "cancel", &order];
        return act(&format!("{}/cancel", paths.0), json!({}), form, &command, &order, ORDER);
    }
    shop.charge(5_000).await;
    assert_eq!(shop.pay(&order).await.status, 200);
    let fields = vec![("sku", "mug"), ("quantity", "1"), ("becomes", "write_off")];
    let body = json!({"items": [{"sku": "mug", "quantity": 1, "restock": false}]});
    let command = ["orders", "refund", &order, "--item", "mug=1", "--write-off"];
    let to = format!("{}/refunds", paths.0);
    let one = act(&to, body, (format!("{}/refund", paths.1), fields), &command, &order, ORDER);
    let key = Uuid::now_v7().to_string();
    if name.ends_with("used key") {
        let two = json!({"items": [{"sku": "mug", "quantity": 2}], "reason": "another refund"});
        assert_eq!(olga.post_as(&key, &to, &two).await.status, 200);
    }
    one.with_key(&key)
}

async fn prepare_payment(name: &str, stage: &Stage) -> Act {
    let (order, key) = stage.held(1, 600).await;
    let (path, page) = (format!("/v1/ops/orders/{order}"), format!("/ops/orders/{order}"));
    if name == "payment.resolve" {
        stage.faults(json!([{"on": "confirm", "kind": "decline"}])).await;
        assert_eq!(stage.pay(&order, &key, 1_000).await.status, 402);
        stage.faults(json!([])).await;
        let form = (format!("{page}/resolve"), vec![]);
        let command = ["orders", "resolve", &order];
        return act(&format!("{path}/resolve"), json!({}), form, &command, &order, ORDER);
    }
    stage
        .faults(json!([{"on": "confirm", "kind": "done_then_reset"}, {"on": "find", "kind": "error"}]))
        .await;
    stage.ask_to_pay(&order, &key, 1_000).await;
    stage.until_payment_is(&order, "unknown").await;
    let sql = "SELECT id::text FROM payments WHERE order_id = $1::text::uuid";
    let payment: String = sqlx::query_scalar(sql).bind(&order).fetch_one(&stage.world.pool).await.unwrap();
    let form = (format!("{page}/settle"), vec![("payment", &*payment), ("stated", "captured")]);
    let command = ["orders", "settle-payment", &order, &payment, "--as", "captured"];
    let path = format!("{path}/payments/{payment}/settle");
    act(&path, json!({"stated": "captured"}), form, &command, &order, ORDER)
}

async fn prepare_stock(name: &str, stage: &Stage) -> Act {
    let sku = Uuid::now_v7().simple().to_string();
    stage.shop.stock(&sku, 10).await;
    let (path, page) = (format!("/v1/ops/stock/{sku}"), format!("/ops/stock/{sku}"));
    let key = Uuid::now_v7().to_string();
    let act = if name == "stock.receive" {
        let form = (format!("{page}/receive"), vec![("units", "5")]);
        let command = ["stock", "receive", &sku, "5"];
        act(&format!("{path}/receive"), json!({"units": 5}), form, &command, &sku, SKU)
    } else {
        let form = (format!("{page}/adjust"), vec![("on_hand", "7")]);
        let command = ["stock", "adjust", &sku, "--to", "7"];
        act(&format!("{path}/adjust"), json!({"on_hand": 7}), form, &command, &sku, SKU)
    };
    act.with_key(&key)
}

async fn prepare_pool(name: &str, olga: &Client) -> Act {
    let pool = "figures";
    let path = |what: &str| format!("/v1/ops/pools/{pool}/{what}");
    let before = json!({"reason": "before"});
    assert_eq!(olga.post(&path("resume"), &before).await.status, 200);
    let what = if name == "pool.pause" { "pause" } else { "resume" };
    if what == "resume" {
        assert_eq!(olga.post(&path("pause"), &before).await.status, 200);
    }
    let form = (format!("/ops/pools/{pool}/{what}"), vec![]);
    act(&path(what), json!({}), form, &["pools", what, pool], pool, POOL)
}

async fn prepare_letter(name: &str, stage: &Stage, olga: &Client) -> Act {
    let order = Uuid::now_v7();
    let body = hold_body(order, "alice", 0);
    let id =
        Letter { queue: "order.hold", body, order: Some(order), ..Letter::default() }.put(&stage.world).await;
    let page = "/ops/dead-letters";
    let ids = json!({"ids": [id]});
    match name {
        "dead_letter.discard" => {
            let form = (page.to_owned(), vec![("button", "discard"), ("id", &*id)]);
            let command = ["dead-letters", "discard", &id];
            act("/v1/ops/dead-letters/discard", ids, form, &command, &id, LETTER)
        }
        "dead_letter.restore" => {
            let discard = json!({"ids": [id], "reason": "before"});
            assert_eq!(olga.post("/v1/ops/dead-letters/discard", &discard).await.status, 200);
            let form = (page.to_owned(), vec![("button", "restore"), ("id", &*id)]);
            let command = ["dead-letters", "restore", &id];
            act("/v1/ops/dead-letters/restore", ids, form, &command, &id, LETTER)
        }
        "dead_letter.edit" => {
            let fixed = String::from_utf8(hold_body(Uuid::from_u128(7), "alice", 1)).unwrap();
            let file = std::env::temp_dir().join(format!("holdfast-{id}.json"));
            std::fs::File::create(&file).unwrap().write_all(fixed.as_bytes()).unwrap();
            let form = (format!("{page}/{id}/edit"), vec![("body", &*fixed), ("is_confirmed", "true")]);
            let command = ["dead-letters", "edit", &id, "--body", file.to_str().unwrap()];
            let path = format!("/v1/ops/dead-letters/{id}/edit");
            act(&path, json!({"body": fixed}), form, &command, &id, LETTER)
        }
        "replay.start" => {
            let form = (page.to_owned(), vec![("button", "replay"), ("id", &*id)]);
            let command = ["dead-letters", "replay", &id, "--no-wait"];
            act("/v1/ops/replays", ids, form, &command, "", REPLAY)
        }
        _ => {
            let begun = olga.post("/v1/ops/replays", &ids).await;
            let id = begun.text("id").to_owned();
            let form = (format!("/ops/replays/{id}/cancel"), vec![]);
            let command = ["dead-letters", "replays", "cancel", &id];
            let mut act = act(&format!("/v1/ops/replays/{id}/cancel"), json!({}), form, &command, "", REPLAY);
            // It is stopped without a word.
            act.command.truncate(command.len());
            act
        }
    }
}

/// What the audit log got since then about an act.
async fn audited(stage: &Stage, name: &str, since: i64) -> Vec<Value> {
    let sql =
        "SELECT jsonb_build_object('actor', actor, 'action', action, 'kind', subject_kind, 'before', before,
                                         'after', after, 'reason', reason)
                 FROM operator_actions WHERE action = $1 AND id > $2 ORDER BY id";
    let action = name.split(' ').next();
    sqlx::query_scalar(sql).bind(action).bind(since).fetch_all(&stage.world.pool).await.unwrap()
}

/// Prepares a subject and acts on it. Returns what came of it: the same as `expected` if that comes of it in time.
async fn end_of(name: &str, driver: Driver, stage: &Stage, olga: &Client, expected: Option<&Value>) -> Value {
    let act = prepare(name, stage, olga).await;
    let since = stage.world.count("SELECT coalesce(max(id), 0) FROM operator_actions").await;
    let done = act.run(driver, olga).await;
    assert_eq!(done, !name.ends_with("used key"), "{name} by {driver:?}");
    // The console does not wait for long, and what comes of the act later is its end all the same.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state: Option<Option<Value>> =
            sqlx::query_scalar(act.end).bind(&act.subject).fetch_optional(&stage.world.pool).await.unwrap();
        let end = without_names(json!([state.flatten(), audited(stage, name, since).await]));
        if expected.is_none_or(|expected| *expected == end) || Instant::now() > deadline {
            return end;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The same with ids and times of one shape in place of each.
fn without_names(value: Value) -> Value {
    match value {
        Value::String(text) if text.parse::<Uuid>().is_ok() => "an id".into(),
        Value::String(text) if text.parse::<chrono::DateTime<chrono::Utc>>().is_ok() => "a time".into(),
        Value::String(text) if text.starts_with('{') => {
            text.parse().map_or(Value::String(text), without_names)
        }
        Value::Array(values) => values.into_iter().map(without_names).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, without_names(value))).collect()
        }
        other => other,
    }
}

#[tokio::test]
async fn every_act_has_one_end_by_api_console_and_command_line() {
    // A replay stays where it is until somebody stops it.
    let mut stage = Stage::without(&[Pool::Replays]).await;
    stage.world.environment.push(("HOLDFAST_EDIT_DEAD_LETTERS".to_owned(), "true".to_owned()));
    let base = stage.world.start_api().await.base;
    let olga = Client::new(&base, &stage.world.named_token("olga", Role::Operator).await);
    let mut different = vec![];
    for name in ACTS {
        let first = end_of(name, Driver::Api, &stage, &olga, None).await;
        let rows = first[1].as_array().unwrap();
        let expected_rows = if name.ends_with("used key") { 0 } else { 1 };
        assert_eq!(rows.len(), expected_rows, "{name}: {first:#}");
        assert!(name == "replay.cancel" || rows.iter().all(|row| row["reason"] == reason()), "{first:#}");
        for driver in [Driver::Console, Driver::CommandLine] {
            let end = end_of(name, driver, &stage, &olga, Some(&first)).await;
            if end != first {
                different.push(format!("{name} by {driver:?}: {end:#}\nby the API: {first:#}"));
            }
        }
        stage.faults(json!([])).await;
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
    stage.finish().await;
}
