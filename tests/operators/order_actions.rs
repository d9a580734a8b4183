//! What operators do to orders: decided by the workers, told soon, and in the audit log with who and why.

use holdfast::message::Queue;
use holdfast::store::operators::tokens::Role;
use holdfast_workers::pools::Pool;
use reqwest::Method;
use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

async fn operator(world: &World, shop: &Client) -> Client {
    shop.with_token(&world.token(Role::Operator, None).await)
}

/// What the audit log says about an order, oldest first.
async fn audited(world: &World, order: &str) -> Vec<Value> {
    let sql = "SELECT json_build_object('action', a.action, 'reason', a.reason, 'before', a.before, 'after', a.after,
                                        'is_ours', EXISTS (SELECT FROM tokens t WHERE t.name = a.actor))
                 FROM operator_actions a WHERE a.subject_kind = 'order' AND a.subject_id = $1 ORDER BY a.id";
    sqlx::query_scalar(sql).bind(order).fetch_all(&world.pool).await.unwrap()
}

#[tokio::test]
async fn operators_have_places_of_their_own_to_wait_in_and_need_none_unless_they_ask() {
    let world = World::told(&[("HOLDFAST_WAITS", "1")]).await;
    world.start_workers_of(&[Queue::OrderHold]);
    let (_api, shop) = Process::api(&world).await;
    let operator = operator(&world, &shop).await;
    shop.stock("mug", 10).await;
    let order = shop.place("mug", 1, 600).await.text("id").to_owned();
    let cancel = move |wait: Option<&'static str>| {
        let request = operator.request(Method::POST, &format!("/v1/ops/orders/{order}/cancel"));
        let request = request.json(&json!({"reason": "the buyer called"}));
        let request = wait.into_iter().fold(request, |request, wait| request.header("Prefer", wait));
        let operator = operator.clone();
        async move { operator.send(request).await }
    };
    // Nobody cancels, so who waits waits to the end.
    let patient = tokio::spawn(cancel(Some("wait=30")));
    eventually("an operator waits", async || {
        let metrics = shop.metrics().await;
        metrics.contains("holdfast_waiting_callers{kind=\"wait\"} 1").then_some(())
    })
    .await;
    let refused = cancel(Some("wait=30")).await;
    assert_eq!((refused.status, refused.problem()), (429, "too-many-waits"), "{refused:?}");
    let accepted = cancel(None).await;
    assert_eq!((accepted.status, accepted.headers.contains_key("preference-applied")), (202, false));
    assert_eq!(shop.place("mug", 1, 60).await.status, 201);
    patient.abort();
    world.finish().await;
}

#[tokio::test]
async fn an_operator_who_waits_is_told_no_more_when_their_token_is_gone() {
    // Nobody asks the gateway, and an order that is being paid is not called off: who waits waits to the end.
    let mut stage = Stage::without_resolvers().await;
    stage.world.environment.push(("HOLDFAST_TOKEN_REMEMBERED_SECONDS".to_owned(), "1".to_owned()));
    let (_api, shop) = Process::api(&stage.world).await;
    let (order, key) = stage.held(1, 600).await;
    stage.ask_to_pay(&order, &key, 1_000).await;
    stage.until_payment_is(&order, "requesting").await;
    for (acts_before, act) in ["cancel", "resolve"].into_iter().enumerate() {
        let operator = operator(&stage.world, &shop).await;
        let request = operator.request(Method::POST, &format!("/v1/ops/orders/{order}/{act}"));
        let request = request.header("Prefer", "wait=30").json(&json!({"reason": "the buyer called"}));
        let waiting = tokio::spawn(async move { operator.send(request).await });
        eventually("the act is written down", async || {
            (audited(&stage.world, &order).await.len() > acts_before).then_some(())
        })
        .await;
        stage.world.execute("UPDATE tokens SET revoked_at = now() WHERE role = 'operator'").await;
        let told = waiting.await.unwrap();
        assert_eq!((told.status, told.problem()), (401, "unauthenticated"), "{act}: {told:?}");
    }
    stage.world.start_workers_of(&[Queue::PaymentResolve]);
    stage.until_payment_is(&order, "captured").await;
    stage.finish().await;
}

#[tokio::test]
async fn a_cancelled_order_gives_its_units_back_and_the_log_says_who_and_why() {
    let (world, shop) = World::running().await;
    let operator = operator(&world, &shop).await;
    shop.stock("mug", 10).await;
    let order = shop.place("mug", 3, 600).await.text("id").to_owned();
    let path = format!("/v1/ops/orders/{order}/cancel");

    let because = json!({"reason": "the buyer called"});
    let cancelled = operator.post(&path, &because).await;
    assert_eq!((cancelled.status, cancelled.text("status")), (200, "cancelled"), "{cancelled:?}");
    assert_eq!(cancelled.headers["location"], format!("/v1/ops/orders/{order}"));
    assert_eq!(shop.available("mug").await, 10);
    let log = audited(&world, &order).await;
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!((&log[0]["action"], &log[0]["reason"]), (&json!("order.cancel"), &because["reason"]));
    assert_eq!((&log[0]["before"]["status"], &log[0]["is_ours"]), (&json!("held"), &json!(true)));

    // The command in the log is the one that the fact answers.
    let story = operator.get(&format!("/v1/ops/orders/{order}")).await;
    let command = log[0]["after"]["command_id"].as_str().unwrap();
    let rows = story.body["timeline"].as_array().unwrap();
    let fact =
        rows.iter().find(|row| row["title"].as_str().unwrap().contains("cancelled and its units")).unwrap();
    assert!(fact["details"].to_string().contains(command), "{fact}");

    // A second wish finds it done and is not an action.
    assert_eq!(operator.post(&path, &because).await.status, 200);
    assert_eq!(audited(&world, &order).await.len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn what_an_operator_may_not_ask_for_is_refused_and_not_in_the_log() {
    let (world, shop) = World::running().await;
    let operator = operator(&world, &shop).await;
    let viewer = shop.with_token(&world.token(Role::Viewer, None).await);
    shop.stock("mug", 10).await;
    shop.charge(5_000).await;
    let paid = shop.place("mug", 1, 600).await.text("id").to_owned();
    shop.pay(&paid).await;
    let held = shop.place("mug", 1, 600).await.text("id").to_owned();
    let because = json!({"reason": "a test"});

    for call in ["cancel", "resolve", "refunds"] {
        for order in [&paid, &held] {
            let path = format!("/v1/ops/orders/{order}/{call}");
            assert_eq!(viewer.post(&path, &because).await.status, 403, "{path}");
            assert_eq!(shop.post(&path, &because).await.status, 403, "{path}");
            for nothing in [json!({}), json!({"reason": " "}), json!({"reason": "a\u{7}b"})] {
                assert_eq!(operator.post(&path, &nothing).await.status, 422, "{path} {nothing}");
            }
        }
    }
    let wrong = operator.post(&format!("/v1/ops/orders/{paid}/cancel"), &because).await;
    assert_eq!((wrong.status, wrong.text("order_status")), (409, "paid"));
    let wrong = operator.post(&format!("/v1/ops/orders/{held}/refunds"), &because).await;
    assert_eq!((wrong.status, wrong.text("order_status")), (409, "held"));
    let nobodys = "/v1/ops/orders/0191a2b3-c4d5-8e6f-8a7b-1c2d3e4f5a6b/cancel";
    assert_eq!(operator.post(nobodys, &because).await.status, 404);
    assert_eq!(world.count("SELECT count(*) FROM operator_actions").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn without_workers_a_command_is_accepted_and_without_a_broker_it_is_on_record_that_it_was_asked_for() {
    let world = World::idle().await;
    world.start_workers(Pool::Commands(holdfast::message::Queue::OrderHold));
    let shop = world.start_api().await;
    let operator = operator(&world, &shop).await;
    shop.stock("mug", 10).await;
    let order = shop.place("mug", 3, 600).await.text("id").to_owned();
    let path = format!("/v1/ops/orders/{order}/cancel");
    let request = operator.request(reqwest::Method::POST, &path).header("Prefer", "wait=1");
    let accepted = operator.send(request.json(&json!({"reason": "a test"}))).await;
    assert_eq!((accepted.status, accepted.text("status")), (202, "accepted"), "{accepted:?}");
    assert_eq!(audited(&world, &order).await.len(), 1);

    // The queue is gone: the broker returns the command.
    let url = format!("{}/queues/{}/order.cancel", world.servers.rabbitmq_api, world.vhost);
    assert!(reqwest::Client::new().delete(url).send().await.unwrap().status().is_success());
    let refused = operator.post(&path, &json!({"reason": "again"})).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    // A broker that does not answer may have taken it all the same.
    assert_eq!(audited(&world, &order).await.len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn an_operator_has_an_unknown_payment_asked_about_at_once() {
    let stage = Stage::new().await;
    let operator = operator(&stage.world, &stage.shop).await;
    let (order, key) = stage.held(1, 600).await;
    stage
        .faults(json!([{"on": "confirm", "kind": "done_then_reset"}, {"on": "find", "kind": "error"}]))
        .await;
    stage.ask_to_pay(&order, &key, 1_000).await;
    stage.until_payment_is(&order, "unknown").await;
    // A payment that has been open for long is asked about every 64 seconds only: the next look is far away.
    stage.world.execute("UPDATE payments SET created_at = now() - interval '1 hour'").await;
    eventually("the payment's message waits for long", async || {
        (stage.world.depth("delay.money.64s").await > 0).then_some(())
    })
    .await;
    let path = format!("/v1/ops/orders/{order}/resolve");
    let because = json!({"reason": "the buyer waits"});
    let request = operator.request(reqwest::Method::POST, &path).header("Prefer", "wait=1");
    let still = operator.send(request.json(&because)).await;
    assert_eq!((still.status, &still.body["is_settled"]), (202, &json!(false)), "{still:?}");

    stage.faults(json!([])).await;
    let resolved = operator.post(&path, &because).await;
    assert_eq!((resolved.status, &resolved.body["is_settled"]), (200, &json!(true)), "{resolved:?}");
    assert_eq!(resolved.body["payments"][0]["status"], "captured");
    assert_eq!(stage.shop.status(&order).await, "paid");
    let log = audited(&stage.world, &order).await;
    assert_eq!(log.iter().map(|row| &row["action"]).collect::<Vec<_>>(), ["payment.resolve"; 2]);
    assert_eq!(log[1]["after"]["payments"][0]["status"], "unknown");
    let nothing = operator.post(&path, &because).await;
    assert_eq!((nothing.status, &nothing.body["asked"]), (200, &json!([])), "{nothing:?}");
    assert_eq!(audited(&stage.world, &order).await.len(), 2, "nothing was asked");
    stage.finish().await;
}

#[tokio::test]
async fn an_operators_refund_goes_back_to_where_the_money_came_from_and_a_key_is_one_refund() {
    let stage = Stage::new().await;
    let operator = operator(&stage.world, &stage.shop).await;
    let (order, key) = stage.held(3, 600).await;
    assert_eq!(stage.pay(&order, &key, 3_000).await.status, 200);
    let path = format!("/v1/ops/orders/{order}/refunds");
    let items = json!([{"sku": "mug", "quantity": 1, "restock": false}]);
    let one = json!({"items": items, "reason": "it came broken"});
    for _ in 0..2 {
        let part = operator.post_as("first", &path, &one).await;
        assert_eq!((part.status, part.text("status")), (200, "partly_refunded"), "{part:?}");
    }
    let other = json!({"reason": "the rest"});
    assert_eq!(operator.post_as("first", &path, &other).await.problem(), "key-reused");
    assert_eq!(stage.balance(&order).await, 2_000);
    assert_eq!(stage.shop.available("mug").await, 997, "a broken mug is not sold again");

    let whole = operator.post(&path, &other).await;
    assert_eq!((whole.status, whole.text("status")), (200, "refunded"), "{whole:?}");
    assert_eq!(stage.balance(&order).await, 0);
    assert_eq!(stage.shop.available("mug").await, 999);
    let log = audited(&stage.world, &order).await;
    assert_eq!(log.len(), 2, "{log:?}");
    assert_eq!((&log[0]["reason"], &log[0]["before"]["status"]), (&one["reason"], &json!("paid")));
    assert_eq!(log[1]["before"]["refunded_won"], 1_000);
    stage.finish().await;
}

/// An order whose card payment the gateway has lost all knowledge of.
async fn never_definite(stage: &Stage, confirm: &str) -> (String, String) {
    let (order, key) = stage.held(1, 600).await;
    stage.faults(json!([{"on": "confirm", "kind": confirm}, {"on": "find", "kind": "error"}])).await;
    stage.ask_to_pay(&order, &key, 1_000).await;
    stage.until_payment_is(&order, "unknown").await;
    let sql = "SELECT id::text FROM payments WHERE order_id = $1::text::uuid";
    let payment: String = sqlx::query_scalar(sql).bind(&order).fetch_one(&stage.world.pool).await.unwrap();
    (order.clone(), format!("/v1/ops/orders/{order}/payments/{payment}/settle"))
}

#[tokio::test]
async fn an_operator_who_saw_the_money_at_the_gateway_has_the_order_paid() {
    let stage = Stage::new().await;
    let operator = operator(&stage.world, &stage.shop).await;
    let viewer = stage.shop.with_token(&stage.world.token(Role::Viewer, None).await);
    let (order, path) = never_definite(&stage, "done_then_reset").await;
    let saw = json!({"stated": "captured", "reason": "seen in the gateway's console"});
    assert_eq!(viewer.post(&path, &saw).await.status, 403);
    assert_eq!(operator.post(&path, &json!({"stated": "perhaps", "reason": "x"})).await.status, 422);
    let settled = operator.post(&path, &saw).await;
    assert_eq!(
        (settled.status, &settled.body["payments"][0]["status"]),
        (200, &json!("captured")),
        "{settled:?}"
    );
    assert_eq!((stage.shop.status(&order).await.as_str(), stage.balance(&order).await), ("paid", 1_000));
    let log = audited(&stage.world, &order).await;
    assert_eq!((log.len(), &log[0]["action"]), (1, &json!("payment.settle")), "{log:?}");
    assert_eq!((&log[0]["after"]["stated"], &log[0]["reason"]), (&saw["stated"], &saw["reason"]));
    // What is settled is not settled again.
    let again = operator.post(&path, &json!({"stated": "not_taken", "reason": "no"})).await;
    assert_eq!(again.status, 422, "{again:?}");
    assert_eq!(audited(&stage.world, &order).await.len(), 1);
    stage.faults(json!([])).await;
    stage.finish().await;
}

#[tokio::test]
async fn an_operator_who_saw_no_money_frees_the_hold_and_money_that_came_all_the_same_is_found() {
    let stage = Stage::new().await;
    let operator = operator(&stage.world, &stage.shop).await;
    let (order, path) = never_definite(&stage, "done_then_reset").await;
    let saw = json!({"stated": "not_taken", "reason": "not in the gateway's console"});
    let settled = operator.post(&path, &saw).await;
    let payment = &settled.body["payments"][0];
    assert_eq!((settled.status, &payment["status"]), (200, &json!("declined")), "{settled:?}");
    assert_eq!(payment["decline_code"], "STATED_BY_OPERATOR");
    assert_eq!(stage.shop.status(&order).await, "held");
    // The person was wrong: as soon as the gateway says so, the money counts.
    stage.faults(json!([])).await;
    let because = json!({"reason": "it is there after all"});
    assert_eq!(operator.post(&format!("/v1/ops/orders/{order}/resolve"), &because).await.status, 200);
    stage.shop.until(&order, "paid").await;
    assert_eq!(stage.balance(&order).await, 1_000);
    stage.finish().await;
}
