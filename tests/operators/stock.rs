//! Stock as operators see and correct it.

use holdfast::store::operators::tokens::Role;
use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::client::{Answer, Client};
use crate::support::world::World;

async fn operator(world: &World, shop: &Client) -> Client {
    shop.with_token(&world.token(Role::Operator, None).await)
}

async fn receive(operator: &Client, key: &str, units: i64) -> Answer {
    let body = json!({"units": units, "reason": "a delivery"});
    operator.post_as(key, "/v1/ops/stock/mug/receive", &body).await
}

#[tokio::test]
async fn units_are_received_and_adjusted_with_a_reason_and_a_key_moves_them_once() {
    let (world, shop) = World::running().await;
    let operator = operator(&world, &shop).await;
    shop.stock("mug", 10).await;
    for _ in 0..2 {
        let received = receive(&operator, "delivery 7", 5).await;
        assert_eq!((received.status, &received.body["sku"]["on_hand"]), (200, &json!(15)), "{received:?}");
    }
    assert_eq!(receive(&operator, "delivery 7", 6).await.problem(), "key-reused");
    let adjust = async |body: Value| operator.post("/v1/ops/stock/mug/adjust", &body).await;
    let counted = adjust(json!({"on_hand": 12, "reason": "counted"})).await;
    assert_eq!((counted.status, &counted.body["sku"]["on_hand"]), (200, &json!(12)), "{counted:?}");
    let less = adjust(json!({"by": -2, "reason": "two broke"})).await;
    assert_eq!(less.body["sku"]["on_hand"], 10);
    // A count that finds what was expected moves nothing, but it was done, and is not done again.
    let again = json!({"on_hand": 10, "reason": "counted again"});
    for on_hand in [10, 13] {
        let counted = operator.post_as("inventory", "/v1/ops/stock/mug/adjust", &again).await;
        assert_eq!((counted.status, &counted.body["sku"]["on_hand"]), (200, &json!(on_hand)), "{counted:?}");
        assert_eq!(receive(&operator, "delivery 8", 3).await.status, 200);
    }

    let all = operator.get("/v1/ops/stock/mug").await;
    let movements = all.body["movements"].as_array().unwrap();
    let told = |row: &Value| {
        (row["kind"].clone(), row["units"].clone(), row["on_hand"].clone(), row["reason"].clone())
    };
    assert_eq!(
        movements.iter().map(told).collect::<Vec<_>>(),
        [
            (json!("received"), json!(3), json!(13), json!("a delivery")),
            (json!("adjusted"), json!(0), json!(10), json!("counted again")),
            (json!("adjusted"), json!(-2), json!(10), json!("two broke")),
            (json!("adjusted"), json!(-3), json!(12), json!("counted")),
            (json!("received"), json!(5), json!(15), json!("a delivery")),
            (json!("received"), json!(10), json!(10), json!("on_hand was set")),
        ]
    );
    let audited = "SELECT count(*) FROM operator_actions
                    WHERE subject_kind = 'sku' AND subject_id = 'mug' AND action IN ('stock.receive', 'stock.adjust')
                      AND (after ->> 'on_hand')::int - (before ->> 'on_hand')::int = (after ->> 'units')::int";
    assert_eq!(world.count(audited).await, 5);
    let unchanged = sqlx::query("UPDATE stock_movements SET note = 'other'").execute(&world.pool).await;
    assert!(unchanged.unwrap_err().to_string().contains("append-only"));
    world.finish().await;
}

#[tokio::test]
async fn stock_never_falls_below_what_is_on_hold_and_nobody_else_corrects_it() {
    let (world, shop) = World::running().await;
    let operator = operator(&world, &shop).await;
    let viewer = shop.with_token(&world.token(Role::Viewer, None).await);
    shop.stock("mug", 10).await;
    let order = shop.place("mug", 4, 600).await.text("id").to_owned();
    for body in [json!({"on_hand": 3, "reason": "counted"}), json!({"by": -7, "reason": "lost"})] {
        let refused = operator.post("/v1/ops/stock/mug/adjust", &body).await;
        assert_eq!((refused.status, refused.problem()), (409, "below-reserved"), "{refused:?}");
        assert_eq!(refused.body["reserved"], 4);
        assert_eq!(viewer.post("/v1/ops/stock/mug/adjust", &body).await.status, 403);
        assert_eq!(shop.post("/v1/ops/stock/mug/adjust", &body).await.status, 403);
    }
    for (path, body) in [
        ("receive", json!({"units": 0, "reason": "x"})),
        ("receive", json!({"units": 1})),
        ("receive", json!({"units": 2_000_000_000, "reason": "x"})),
        ("receive", json!({"units": i64::MAX, "reason": "x"})),
        ("adjust", json!({"on_hand": -1, "reason": "x"})),
        ("adjust", json!({"on_hand": 5, "by": 1, "reason": "x"})),
        ("adjust", json!({"reason": "x"})),
    ] {
        let answer = operator.post(&format!("/v1/ops/stock/mug/{path}"), &body).await;
        assert_eq!(answer.status, 422, "{path} {body} {answer:?}");
    }
    assert_eq!(world.count("SELECT count(*) FROM operator_actions").await, 0);

    let shown = viewer.get("/v1/ops/stock/mug").await.body;
    assert_eq!(
        (&shown["sku"]["on_hand"], &shown["sku"]["reserved"], &shown["sku"]["available"]),
        (&json!(10), &json!(4), &json!(6))
    );
    let hold = &shown["holds"][0];
    assert_eq!(
        (&hold["order_id"], &hold["customer"], &hold["units"]),
        (&json!(order), &json!("alice"), &json!(4))
    );
    assert!((500..=600).contains(&hold["seconds_left"].as_i64().unwrap()), "{hold}");
    world.finish().await;
}

#[tokio::test]
async fn movements_add_up_after_sales_refunds_and_corrections() {
    let stage = Stage::new().await;
    let operator = operator(&stage.world, &stage.shop).await;
    receive(&operator, "a", 20).await;
    let mut orders = vec![];
    for mugs in 1..=3 {
        let (order, key) = stage.held(mugs, 600).await;
        assert_eq!(stage.pay(&order, &key, mugs * 1_000).await.status, 200);
        orders.push(order);
    }
    let refund = async |order: &str, restock: bool| {
        let body = json!({"items": [{"sku": "mug", "quantity": 1, "restock": restock}], "reason": "a test"});
        assert_eq!(operator.post(&format!("/v1/ops/orders/{order}/refunds"), &body).await.status, 200);
    };
    refund(&orders[1], true).await;
    refund(&orders[2], false).await;
    operator.post("/v1/ops/stock/mug/adjust", &json!({"on_hand": 1_014, "reason": "counted"})).await;

    let shown = operator.get("/v1/ops/stock/mug").await.body;
    let rows = shown["movements"].as_array().unwrap();
    let kinds: Vec<&str> = rows.iter().rev().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["received", "received", "sold", "sold", "sold", "returned", "adjusted"]);
    let mut on_hand = 0;
    for row in rows.iter().rev() {
        on_hand += row["units"].as_i64().unwrap();
        assert_eq!(row["on_hand"], on_hand, "{row}");
    }
    assert_eq!(shown["sku"]["on_hand"], on_hand);
    assert_eq!(rows[1]["order_id"], orders[1].as_str());
    stage.finish().await;
}

#[tokio::test]
async fn skus_are_listed_by_code_and_found_by_code_and_name() {
    let (world, shop) = World::running().await;
    let viewer = shop.with_token(&world.token(Role::Viewer, None).await);
    for number in 0..105 {
        shop.stock(&format!("mug-{number:03}"), 1).await;
    }
    shop.stock("Cup", 7).await;
    let listed = async |query: &str| {
        let answer = viewer.get(&format!("/v1/ops/stock?{query}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let codes =
            answer.body["skus"].as_array().unwrap().iter().map(|sku| sku["sku"].as_str().unwrap().to_owned());
        (codes.collect::<Vec<_>>(), answer.body["next"].as_str().map(str::to_owned))
    };
    let (first, next) = listed("").await;
    assert_eq!((first.len(), first[0].as_str(), next.as_deref()), (100, "Cup", Some("mug-098")));
    let (second, end) = listed("after=mug-098").await;
    assert_eq!((second.len(), second[0].as_str(), end), (6, "mug-099", None));
    assert_eq!(listed("text=cup").await.0, ["Cup"]);
    assert_eq!(listed("text=The%20MUG-04").await.0.len(), 10, "by name, whatever the case");
    assert_eq!(listed("text=%25").await.0.len(), 0, "no pattern");
    assert_eq!(viewer.get("/v1/ops/stock?text=%00").await.status, 422);
    world.finish().await;
}
