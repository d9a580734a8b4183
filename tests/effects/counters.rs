//! Counters: each fact counts exactly once.

use holdfast::config::DEFAULT_TIME_ZONE;
use holdfast::store::events::cursors::{self, Cursor};
use holdfast::store::events::feed;
use holdfast_workers::pools::Pool;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::stage::{Stage, paid};
use crate::support::eventually;

/// The popular list as (SKU, units).
async fn popular(stage: &Stage, query: &str) -> Value {
    let answer = stage.shop.get(&format!("/v1/popular{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let skus = answer.body["skus"].as_array().unwrap().clone();
    skus.iter().map(|sold| json!([sold["sku"], sold["units"]])).collect()
}

#[tokio::test]
async fn what_is_paid_counts_for_its_customer_and_its_skus() {
    let stage = Stage::new().await;
    stage.paid(2).await;
    stage.paid(1).await;
    let bob = stage.shop.as_customer("bob");
    paid(&bob, "cup", 5).await;
    // What is only held counts nothing.
    stage.shop.place("mug", 9, 600).await;

    stage.until_counted("alice", 2, 3_000, 0).await;
    stage.until_counted("bob", 1, 5_000, 0).await;
    stage.until_counted("nobody", 0, 0, 0).await;
    assert_eq!(popular(&stage, "").await, json!([["cup", 5], ["mug", 3]]));
    assert_eq!(popular(&stage, "?days=1&limit=1").await, json!([["cup", 5]]));
    stage.finish().await;
}

#[tokio::test]
async fn only_the_last_days_make_a_sku_popular() {
    let stage = Stage::new().await;
    stage.paid(2).await;
    stage.until_counted("alice", 1, 2_000, 0).await;
    stage.world.execute("UPDATE sku_sales SET day = day - 3").await;
    assert_eq!(popular(&stage, "?days=3").await, json!([]));
    assert_eq!(popular(&stage, "?days=4").await, json!([["mug", 2]]));
    for bad in ["?days=0", "?days=32", "?limit=0", "?limit=101", "?days=x", "?day=1"] {
        assert_eq!(stage.shop.get(&format!("/v1/popular{bad}")).await.status, 422, "{bad}");
    }
    stage.finish().await;
}

/// The popular products as (code, units, units before refunds, whether there may be more of these).
async fn popular_products(stage: &Stage, query: &str) -> Value {
    let answer = stage.shop.get(&format!("/v1/products/popular{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let products = answer.body["products"].as_array().unwrap().clone();
    let row = |sold: Value| {
        json!([sold["product"], sold["units"], sold["gross_units"], sold["gross_is_at_least"] == true])
    };
    products.into_iter().map(row).collect()
}

#[tokio::test]
async fn products_are_popular_by_what_was_sold_of_their_skus_before_and_after_refunds() {
    let stage = Stage::new().await;
    let world = &stage.world;
    for sku in ["pot", "pan"] {
        stage.shop.stock(sku, 10).await;
    }
    for (code, skus) in [("crockery", vec![("cup", "blue"), ("pan", "red")]), ("bare", vec![])] {
        let skus: Vec<Value> =
            skus.iter().map(|(sku, choice)| json!({"sku": sku, "choices": [choice]})).collect();
        let options =
            if skus.is_empty() { json!([]) } else { json!([{"name": "colour", "values": ["blue", "red"]}]) };
        let product = json!({"name": code, "options": options, "skus": skus});
        assert_eq!(stage.shop.put(&format!("/v1/products/{code}"), &product).await.status, 201);
    }
    stage.shop.put("/v1/products/mugs", &json!({"name": "Mugs", "skus": [{"sku": "mug"}]})).await;
    let (bob, carol) = (stage.shop.as_customer("bob"), stage.shop.as_customer("carol"));
    let order = stage.paid(4).await;
    paid(&bob, "cup", 1).await;
    paid(&bob, "pan", 2).await;
    // A SKU of no product is on the list of SKUs only.
    paid(&carol, "pot", 9).await;
    stage.until_counted("bob", 2, 3_000, 0).await;
    stage.until_counted("alice", 1, 4_000, 0).await;
    stage.until_counted("carol", 1, 9_000, 0).await;
    assert_eq!(popular_products(&stage, "").await, json!([["mugs", 4, 4, false], ["crockery", 3, 3, false]]));

    stage.refund(&order, 3, false).await;
    stage.until_counted("alice", 1, 4_000, 3_000).await;
    assert_eq!(popular_products(&stage, "").await, json!([["crockery", 3, 3, false], ["mugs", 1, 4, false]]));
    assert_eq!(popular_products(&stage, "?by=gross&limit=1").await, json!([["mugs", 1, 4, false]]));

    // The edge of a day is where the API's time zone has it, and what was counted before is told as far as it is known.
    world.execute("UPDATE sku_sales SET day = day - 2").await;
    assert_eq!(popular_products(&stage, "?days=3&limit=1").await, json!([["crockery", 3, 3, false]]));
    assert_eq!(popular_products(&stage, "?days=2").await, json!([]));
    world.execute("UPDATE sku_sales SET sold_units = NULL, refunded_units = NULL").await;
    assert_eq!(popular_products(&stage, "").await, json!([["crockery", 3, 3, true], ["mugs", 1, 1, true]]));
    // An ended product is no longer on offer.
    let ended = json!({"sale_until": "2020-01-01T00:00:00Z"});
    let ended = stage.shop.request(reqwest::Method::PATCH, "/v1/products/crockery").json(&ended);
    assert_eq!(stage.shop.send(ended).await.status, 200);
    assert_eq!(popular_products(&stage, "").await, json!([["mugs", 1, 1, true]]));
    for bad in ["?days=0", "?limit=101", "?by=price", "?day=1"] {
        assert_eq!(stage.shop.get(&format!("/v1/products/popular{bad}")).await.status, 422, "{bad}");
    }
    stage.finish().await;
}

/// Lets what is new take effect, as a feed does, beside whoever else does so.
async fn feed_by_hand(pool: &PgPool) {
    let mut tx = pool.begin().await.unwrap();
    cursors::hold(&mut tx, Cursor::Effects).await.unwrap();
    let look = cursors::look(&mut tx, Cursor::Effects).await.unwrap();
    let part = feed::next_part(&mut tx, &look, 3).await.unwrap();
    if part.facts > 0 {
        feed::count_customers(&mut tx, &part).await.unwrap();
        feed::count_sales(&mut tx, &part, DEFAULT_TIME_ZONE).await.unwrap();
    }
    assert!(cursors::advance(&mut tx, Cursor::Effects, &part).await.unwrap());
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn even_feeds_that_do_not_know_of_each_other_count_each_fact_once() {
    let stage = Stage::without(&[Pool::Feed]).await;
    let feeding = futures_util::future::join_all((0..4).map(|_| async {
        while stage.world.count("SELECT coalesce(sum(order_count), 0)::bigint FROM customer_totals").await
            < 24
        {
            feed_by_hand(&stage.world.pool).await;
        }
    }));
    let buying = futures_util::future::join_all((0..8).map(|number| {
        let buyer = stage.shop.as_customer(&format!("buyer-{number}"));
        async move {
            for _ in 0..3 {
                paid(&buyer, "mug", 1).await;
            }
        }
    }));
    let auditing = async {
        loop {
            stage.world.audit().await;
        }
    };
    tokio::select! {
        () = auditing => {}
        _ = futures_util::future::join(feeding, buying) => {}
    }
    for number in 0..8 {
        stage.until_counted(&format!("buyer-{number}"), 3, 3_000, 0).await;
    }
    stage.finish().await;
}

#[tokio::test]
async fn a_fact_whose_transaction_commits_late_is_counted() {
    let stage = Stage::new().await;
    let order = stage.paid(3).await;
    stage.until_counted("alice", 1, 3_000, 0).await;
    // A fact gets its place in the log here, before those below, and is committed after them.
    let mut late = stage.world.pool.begin().await.unwrap();
    let fact = "INSERT INTO order_events (order_id, type, data) SELECT $1::text::uuid, 'order.refunded',
                '{\"refund_id\": \"00000000-0000-0000-0000-000000000001\", \"amount_won\": 1000, \"is_whole\": false,
                  \"items\": [{\"sku\": \"mug\", \"quantity\": 1, \"amount_won\": 1000, \"restocked\": true}]}'::jsonb";
    sqlx::query(fact).bind(&order).execute(&mut *late).await.unwrap();
    stage.paid(1).await;
    late.commit().await.unwrap();
    stage.until_counted("alice", 2, 4_000, 1_000).await;
    stage.finish().await;
}

#[tokio::test]
async fn a_refund_counts_on_its_own_day_as_days_go_in_seoul() {
    let stage = Stage::new().await;
    let order = stage.paid(3).await;
    let fact = "INSERT INTO order_events (order_id, type, occurred_at, data)
                SELECT $1::text::uuid, 'order.refunded', '2026-01-01T20:00:00Z',
                '{\"refund_id\": \"00000000-0000-0000-0000-000000000001\", \"amount_won\": 1000, \"is_whole\": false,
                  \"items\": [{\"sku\": \"mug\", \"quantity\": 1, \"amount_won\": 1000, \"restocked\": true}]}'::jsonb";
    sqlx::query(fact).bind(&order).execute(&stage.world.pool).await.unwrap();
    stage.until_counted("alice", 1, 3_000, 1_000).await;
    let day: String =
        sqlx::query_scalar("SELECT day::text FROM sku_sales WHERE units = -1 AND amount_won = -1000")
            .fetch_one(&stage.world.pool)
            .await
            .unwrap();
    assert_eq!(day, "2026-01-02");
    stage.finish().await;
}

#[tokio::test]
async fn facts_from_before_the_feed_are_counted_and_nobody_is_told_of_them() {
    let stage = Stage::without(&[Pool::Feed]).await;
    stage.paid(1).await;
    stage.world.execute("UPDATE relay_cursors SET created_at = now() WHERE name = 'effects'").await;
    stage.paid(2).await;
    stage.world.start_workers(Pool::Feed);
    stage.until_counted("alice", 2, 3_000, 0).await;
    stage.smtp.wait_for(1).await;
    stage.until_all_is_told().await;
    assert_eq!((stage.smtp.mails().len(), stage.platform.reports().len()), (1, 1));
    stage.finish().await;
}

#[tokio::test]
async fn a_long_history_takes_effect_in_parts() {
    let stage = Stage::without(&[Pool::Feed]).await;
    let order = stage.paid(1).await;
    // Transactions of many facts each; all of them together are more than a feed takes at once.
    for _ in 0..5 {
        let facts = "INSERT INTO order_events (order_id, type, data) SELECT $1::text::uuid, 'order.refunded',
                     jsonb_build_object('refund_id', gen_random_uuid(), 'amount_won', 1, 'is_whole', false, 'items',
                     '[{\"sku\": \"mug\", \"quantity\": 1, \"amount_won\": 1, \"restocked\": true}]'::jsonb)
                     FROM generate_series(1, 1500)";
        sqlx::query(facts).bind(&order).execute(&stage.world.pool).await.unwrap();
    }
    stage.world.execute("UPDATE relay_cursors SET created_at = now() WHERE name = 'effects'").await;
    stage.world.start_workers(Pool::Feed);
    stage.until_counted("alice", 1, 1_000, 7_500).await;
    eventually("the cursor has moved", async || {
        (stage
            .world
            .count(
                "SELECT count(*) FROM relay_cursors
                              WHERE from_transaction > '0' AND name <> 'figures'",
            )
            .await
            == 2)
            .then_some(())
    })
    .await;
    stage.finish().await;
}
