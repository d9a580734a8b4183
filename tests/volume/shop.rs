//! What is done for orders, buyers and operators in a shop with a past.

use std::time::Duration;

use futures_util::future::join_all;
use holdfast::domain::limits::Limits;
use holdfast::message::Queue;
use holdfast::store::audit::Audit;
use holdfast::store::events::cursors::Cursor;
use holdfast::store::operators::tokens::Role;
use holdfast::store::orders::overdue_holds;
use holdfast::store::payments::card_movements;
use holdfast::store::stock::skus;
use holdfast::store::workers::backlog;
use holdfast_workers::loops::sweep_holds::sweep;
use holdfast_workers::pools::Pool;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio_util::task::TaskTracker;

use crate::meter::{Meter, metered_world};
use crate::past::{self, SOME_HOLDS};
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::world::World;

/// One page, or one look, at what no index leads to: see `LOOKED_THROUGH` and its kin.
const LOOKED_THROUGH: i64 = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_past_orders_make_no_work_for_those_of_today() {
    past_orders_make_no_work(50_000).await;
}

/// `make test-large` runs it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half an hour and 20 GB"]
async fn ten_million_past_orders_make_no_work_for_those_of_today() {
    past_orders_make_no_work(10_000_000).await;
}

async fn past_orders_make_no_work(orders: i64) {
    let mut world = metered_world().await;
    world.limits = Limits { max_live_holds: 1_000, ..Limits::default() };
    past::fill(&world, orders).await;
    // Each of these queues has a runner; nothing releases holds or reads the event log but what is started in its turn.
    world.start_workers_of(&[
        Queue::OrderHold,
        Queue::OrderExpire,
        Queue::OrderCancel,
        Queue::OrderExtend,
        Queue::PaymentConfirm,
        Queue::OrderRefund,
    ]);
    let shop = world.start_api().await;
    let operator = shop.with_token(&world.token(Role::Admin, None).await);

    let mut meter = Meter::new(&world);
    for statistics in ["stale", "fresh"] {
        if statistics == "fresh" {
            meter.analyze().await;
        }
        orders_of_today(&mut meter, &shop, statistics).await;
        buyers_reads(&mut meter, &shop).await;
        operators_looks(&mut meter, &operator, past::holds(orders)).await;
        readers_of_the_log(&mut meter, &world).await;
        what_is_overdue(&mut meter, &world, &shop, &operator).await;
    }
    checks(&mut meter, &world, orders).await;
    meter.finish().await;
    world.finish().await;
}

/// The life of an order: the customer with a past, and others.
async fn orders_of_today(meter: &mut Meter, shop: &Client, run: &str) {
    let buyers: Vec<Client> = (0..30)
        .map(|number| shop.as_customer(&if number < 10 { "whale".into() } else { format!("{run}-{number}") }))
        .collect();
    let count = buyers.len() as i64;
    let placed = meter
        .measure("hold", (count, 300), async || {
            join_all(buyers.iter().map(async |buyer| buyer.place("sku-7", 1, 600).await)).await
        })
        .await;
    let ids: Vec<&str> = placed.iter().map(|order| order.text("id")).collect();
    let all = || buyers.iter().zip(ids.iter().copied());

    let extended = meter
        .measure("extend", (count, 200), async || {
            join_all(all().map(async |(buyer, id)| {
                buyer.post(&format!("/v1/orders/{id}/extend"), &json!({"extend_seconds": 600})).await.status
            }))
            .await
        })
        .await;
    assert!(extended.iter().all(|status| *status == 200), "{extended:?}");
    let (called_off, kept) = ids.split_at(5);
    let cancelled = meter
        .measure("cancel", (5, 300), async || {
            join_all(called_off.iter().map(async |id| {
                let path = format!("/v1/orders/{id}/cancel");
                shop.as_customer("whale").post(&path, &json!({})).await.status
            }))
            .await
        })
        .await;
    assert_eq!(cancelled, [200; 5]);
    for buyer in &buyers {
        buyer.charge(1_000).await;
    }
    let paid = meter
        .measure("pay", (count - 5, 300), async || {
            join_all(buyers[5..].iter().zip(kept).map(async |(buyer, id)| buyer.pay(id).await.status)).await
        })
        .await;
    assert!(paid.iter().all(|status| *status == 200), "{paid:?}");
    let refunded = meter
        .measure("refund", (count - 5, 400), async || {
            join_all(buyers[5..].iter().zip(kept).map(async |(buyer, id)| {
                let body = json!({"reason": "broken"});
                buyer.post(&format!("/v1/orders/{id}/refunds"), &body).await.status
            }))
            .await
        })
        .await;
    assert!(refunded.iter().all(|status| *status == 200), "{refunded:?}");
}

async fn buyers_reads(meter: &mut Meter, shop: &Client) {
    let whale = shop.as_customer("whale");
    let recent = whale.get("/v1/orders?limit=1").await.body["orders"][0]["id"].as_str().unwrap().to_owned();
    let paths = [
        (format!("/v1/orders/{recent}"), 50),
        ("/v1/orders".to_owned(), 200),
        ("/v1/orders?limit=100".to_owned(), 600),
        ("/v1/orders?status=refused".to_owned(), 2 * LOOKED_THROUGH + 100),
        ("/v1/orders?status=paid".to_owned(), 2 * LOOKED_THROUGH + 100),
        ("/v1/orders?status=held".to_owned(), 2 * LOOKED_THROUGH + 100),
        ("/v1/wallet".to_owned(), 20),
        ("/v1/points".to_owned(), 20),
        ("/v1/skus/sku-7".to_owned(), 20),
        ("/v1/popular?days=31".to_owned(), 10_000),
    ];
    reads(meter, &whale, &paths).await;
    let name = json!({"name": "Another name", "price_won": 1_000});
    let put = async || shop.put("/v1/skus/sku-7", &name).await.status;
    assert_eq!(meter.measure("PUT sku", (1, 50), put).await, 200);
}

async fn operators_looks(meter: &mut Meter, operator: &Client, holds: i64) {
    let paths = [
        // Of holds that ended the index keeps entries until it is vacuumed.
        ("/v1/ops/orders".to_owned(), 2_000 + holds),
        ("/v1/ops/orders?status=expired".to_owned(), 1_000),
        ("/v1/ops/orders?customer=whale".to_owned(), 500),
        ("/v1/ops/orders?customer=whale&status=paid".to_owned(), 2 * LOOKED_THROUGH + 1_000),
        // The newest of eight states, then the page among them.
        ("/v1/ops/orders?sku=sku-7".to_owned(), 20 * LOOKED_THROUGH),
        ("/v1/ops/orders?customer=whale&sku=sku-7".to_owned(), 4 * LOOKED_THROUGH),
        ("/v1/ops/orders?payment=past-99".to_owned(), 50),
        ("/v1/ops/orders/00000000-0000-8000-8000-000000000063".to_owned(), 100),
        ("/v1/ops/stock".to_owned(), 2_000),
        // The live holds that fall due first, and their items.
        ("/v1/ops/stock/sku-7".to_owned(), 20 * LOOKED_THROUGH),
        ("/v1/ops/money".to_owned(), 100),
        ("/v1/ops/health".to_owned(), 2_000),
    ];
    reads(meter, operator, &paths).await;
}

/// What follows from the facts of the phases before.
async fn readers_of_the_log(meter: &mut Meter, world: &World) {
    let unread = async || {
        let mut conn = PgConnection::connect(&world.database_url).await.unwrap();
        let unread = backlog::unread(&mut conn, Cursor::Events, 10_000).await.unwrap().count
            + backlog::unread(&mut conn, Cursor::Effects, 10_000).await.unwrap().count;
        conn.close().await.unwrap();
        unread
    };
    let facts = unread().await;
    assert!(facts > 100, "{facts}");
    let reading = async || {
        let (stop, tasks) = (world.stop.child_token(), TaskTracker::new());
        [Pool::Relay, Pool::Feed, Pool::Figures]
            .into_iter()
            .for_each(|pool| world.start(pool, &stop, &tasks));
        eventually("the log is read", async || {
            tokio::time::sleep(Duration::from_secs(1)).await;
            (unread().await == 0).then_some(())
        })
        .await;
        // They tell what they have read when they go.
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    };
    // Whoever looks whether they are done reads the facts that are left, too.
    meter.measure("relay, feed and figures", (facts, 100), reading).await;
}

async fn reads(meter: &mut Meter, client: &Client, paths: &[(String, i64)]) {
    for (path, most) in paths {
        let answer = meter.measure(path, (1, *most), async || client.get(path).await).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

/// Holds that nothing has released: the whole shop's, of one SKU few.
async fn what_is_overdue(meter: &mut Meter, world: &World, shop: &Client, operator: &Client) {
    let overdue = "UPDATE orders SET created_at = created_at - interval '1 hour', expires_at = now() - interval '30 s'
                    WHERE id IN (SELECT id FROM orders WHERE status = 'held' AND customer_id LIKE 'holder-%' LIMIT $1)";
    let holds = world.count("SELECT count(*) FROM orders WHERE status = 'held'").await / 2;
    let mut tx = world.pool.begin().await.unwrap();
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await.unwrap();
    let done = sqlx::query(overdue).bind(holds).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(done.rows_affected(), holds.unsigned_abs());

    // A minute of deadlines is looked at whether the holds have ended or not.
    let looked_at = 3 * skus::OVERDUE_LOOKED_AT + SOME_HOLDS;
    reads(meter, shop, &[("/v1/skus/sku-7".to_owned(), looked_at)]).await;
    let name = json!({"name": "One more name", "price_won": 1_000});
    let put = async || shop.put("/v1/skus/sku-7", &name).await.status;
    assert_eq!(meter.measure("PUT sku, many overdue", (1, looked_at), put).await, 200);
    let pages = [
        ("/v1/ops/health".to_owned(), 4_000 + SOME_HOLDS),
        ("/v1/ops/stock".to_owned(), looked_at + 2_000),
        ("/v1/ops/stock/sku-7".to_owned(), 20 * LOOKED_THROUGH + looked_at),
    ];
    reads(meter, operator, &pages).await;

    let swept = async || sweep(&world.pool, 5).await.unwrap();
    let swept = meter.measure("sweep", (holds, 30), swept).await;
    assert_eq!(swept as i64, holds);
    let mut conn = world.pool.acquire().await.unwrap();
    assert!(overdue_holds::move_mark(&mut conn).await.unwrap());
}

/// What reads everything does so in pieces.
async fn checks(meter: &mut Meter, world: &World, orders: i64) {
    let keys = (orders / 4).min(50_000);
    let mut audit = Audit::by_pieces_of(keys);
    let mut pieces = 0;
    while let Some(truth) = audit.next() {
        let most = if audit.is_in_pieces() { 10 * keys } else { 10 * orders };
        let step = async || audit.step(&mut world.pool.acquire().await.unwrap()).await.unwrap();
        let finding = meter.measure(truth, (1, most), step).await;
        pieces += 1;
        // The others are like these; at the end all of them are checked.
        if finding.is_none() && pieces >= 4 {
            audit.skip();
        }
        pieces = if audit.next() == Some(truth) { pieces } else { 0 };
    }
    let now = holdfast::clock::now();
    let day = (now - chrono::TimeDelta::hours(12), now);
    let page = async || {
        let mut conn = world.pool.acquire().await.unwrap();
        card_movements::page(&mut conn, day, None, 100).await.unwrap()
    };
    let page = meter.measure("a page of reconcile", (1, 1_000), page).await;
    assert_eq!(page.keys.len(), 100);
}
