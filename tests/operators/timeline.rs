//! One order's whole story.

use holdfast::store::operators::tokens::Role;
use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::eventually;

/// The kind and the title of each row.
fn told(timeline: &[Value]) -> Vec<(&str, &str)> {
    let text = |row: &'_ Value, field: &str| row[field].as_str().unwrap().to_owned().leak() as &str;
    timeline.iter().map(|row| (text(row, "kind"), text(row, "title"))).collect()
}

#[tokio::test]
async fn the_story_of_an_order_paid_after_an_unknown_answer_and_partly_refunded() {
    let stage = Stage::new().await;
    let operator = stage.shop.with_token(&stage.world.token(Role::Operator, None).await);
    let (order, key) = stage.held(2, 600).await;
    let extended = stage.shop.post(&format!("/v1/orders/{order}/extend"), &json!({})).await;
    assert_eq!(extended.status, 200, "{extended:?}");
    stage
        .faults(json!([
            {"on": "confirm", "kind": "done_then_reset"}, {"on": "find", "kind": "error", "count": 1}
        ]))
        .await;
    assert_eq!(stage.pay(&order, &key, 2_000).await.status, 200);
    stage.faults(json!([])).await;
    let items = json!([{"sku": "mug", "quantity": 1, "restock": false}]);
    let because = json!({"items": items, "reason": "one came broken"});
    let refunded = operator.post(&format!("/v1/ops/orders/{order}/refunds"), &because).await;
    assert_eq!(refunded.status, 200, "{refunded:?}");

    // Nobody writes mails on this stage.
    let mailed = "INSERT INTO effects (event_id, kind, order_id, status, attempts, done_at)
                  SELECT id, 'mail', order_id, 'done', 1, now() FROM order_events WHERE type = 'order.paid'";
    stage.world.execute(mailed).await;

    // The webhook comes in its own time.
    let story = eventually("the webhook is told", async || {
        let story = operator.get(&format!("/v1/ops/orders/{order}")).await.body;
        let rows = story["timeline"].as_array().unwrap().clone();
        let kinds: Vec<&str> = rows.iter().map(|row| row["kind"].as_str().unwrap()).collect();
        kinds.contains(&"webhook").then_some(story)
    })
    .await;
    let rows = story["timeline"].as_array().unwrap();
    let times: Vec<&str> = rows.iter().map(|row| row["at"].as_str().unwrap()).collect();
    let mut sorted = times.clone();
    sorted.sort_by_key(|time| time.parse::<chrono::DateTime<chrono::Utc>>().unwrap());
    assert_eq!(times, sorted);

    let rows = told(rows);
    let place = |kind: &str, title: &str| {
        let found = rows.iter().position(|row| row.0 == kind && row.1.contains(title));
        found.unwrap_or_else(|| panic!("no {kind} {title:?} in {rows:#?}"))
    };
    let in_order = [
        place("transition", "stock is on hold"),
        place("transition", "has more time"),
        place("payment", "Payment asked for: 2,000 won by card"),
        place("payment", "The gateway said: the money is taken after"),
        place("transition", "The order is paid"),
        place("operator", "asked for money to be given back"),
        place("refund", "Refund asked for: 1,000 won"),
        place("transition", "Money was given back"),
        place("notice", "Mail to the customer was sent"),
        place("timer", "first deadline, which was put off"),
        place("timer", "The hold would have fallen due"),
    ];
    assert!(in_order.is_sorted(), "{in_order:?} in {rows:#?}");
    assert_eq!(story["order"]["status"], "partly_refunded");
    assert_eq!(story["customer"], "alice");
    assert_eq!(story["payments"][0]["payment_key"], key);
    assert_eq!(story["refunds"][0]["items"][0]["restock"], false);
    assert_eq!((&story["is_unsettled"], &story["can_refund"]), (&json!(false), &json!(true)));
    let by_key = operator.get(&format!("/v1/ops/orders?payment={key}")).await;
    assert_eq!(by_key.body["orders"][0]["id"], order);
    stage.finish().await;
}

#[tokio::test]
async fn a_dead_letter_about_an_order_is_part_of_its_story() {
    let stage = Stage::new().await;
    let viewer = stage.shop.with_token(&stage.world.token(Role::Viewer, None).await);
    let (order, _) = stage.held(1, 600).await;
    let refused = json!({"version": 1, "command_id": "not an id", "order_id": order}).to_string();
    let sql = "INSERT INTO dead_letters (id, message_id, queue, message_type, order_id, error_class, error_text,
                                         attempts, body, headers)
               VALUES (gen_random_uuid(), 'm', 'order.cancel', 'order.cancel', $1::text::uuid, 'malformed', 'no id', 0,
                       convert_to($2, 'UTF8'), '{}')";
    sqlx::query(sql).bind(&order).bind(refused).execute(&stage.world.pool).await.unwrap();
    let story = viewer.get(&format!("/v1/ops/orders/{order}")).await.body;
    let rows = story["timeline"].as_array().unwrap();
    let letter = rows.iter().find(|row| row["kind"] == "dead_letter").unwrap();
    assert!(letter["link"].as_str().unwrap().starts_with("/ops/dead-letters/"));
    assert!(letter["details"].to_string().contains("malformed: no id"), "{letter}");
    let due = rows.last().unwrap();
    assert_eq!((due["kind"].as_str(), due["title"].as_str()), (Some("timer"), Some("The hold falls due")));
    assert!(story["seconds_left"].as_i64().unwrap() > 500);
    stage.finish().await;
}

#[tokio::test]
async fn of_very_many_webhooks_the_latest_are_told_in_their_order() {
    let stage = Stage::new().await;
    let viewer = stage.shop.with_token(&stage.world.token(Role::Viewer, None).await);
    let (order, _) = stage.held(1, 600).await;
    let sql = "INSERT INTO webhooks (provider, event_id, kind, gateway_order_id, signed, received_at)
               SELECT 'toss', 'event-' || n, 'PAYMENT_STATUS_CHANGED', $1, false, now() + n * interval '1 ms'
                 FROM generate_series(1, 201) AS n";
    sqlx::query(sql).bind(&order).execute(&stage.world.pool).await.unwrap();
    let story = viewer.get(&format!("/v1/ops/orders/{order}")).await.body;
    let webhooks = story["timeline"].as_array().unwrap().iter().filter(|row| row["kind"] == "webhook");
    let told: Vec<String> = webhooks.map(|row| row["details"].to_string()).collect();
    let is_about = |row: &str, number: i32| row.contains(&format!("event-{number}\""));
    assert_eq!(told.len(), 200);
    assert!(told.iter().zip(2..).all(|(row, number)| is_about(row, number)), "{told:?}");
    stage.finish().await;
}
