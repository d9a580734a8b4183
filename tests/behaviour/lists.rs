//! Lists of a customer's orders: pages without gaps or repeats, in a stable order.

use holdfast::domain::limits::Limits;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::world::World;

/// Reads page after page; returns the ids and how many pages there were.
async fn pages(shop: &Client, query: &str) -> (Vec<String>, usize) {
    let (mut ids, mut count, mut after) = (vec![], 0, String::new());
    loop {
        let page = shop.get(&format!("/v1/orders?{query}{after}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let orders = page.body["orders"].as_array().unwrap();
        ids.extend(orders.iter().map(|order| order["id"].as_str().unwrap().to_owned()));
        count += 1;
        match page.body.get("next") {
            Some(Value::String(next)) => after = format!("&after={next}"),
            _ => return (ids, count),
        }
    }
}

#[tokio::test]
async fn pages_show_every_order_once_newest_first() {
    let mut world = World::idle().await;
    world.limits = Limits { max_live_holds: 100, ..Limits::default() };
    world.start_all_workers();
    let shop = world.start_api().await;
    shop.stock("mug", 100).await;
    let mut placed = vec![];
    for _ in 0..7 {
        placed.insert(0, shop.place("mug", 1, 60).await.text("id").to_owned());
    }
    shop.as_customer("bob").place("mug", 1, 60).await;

    assert_eq!(pages(&shop, "limit=3").await, (placed.clone(), 3));
    // A last page that is exactly full leads to no empty page after it.
    assert_eq!(pages(&shop, "limit=7").await, (placed.clone(), 1));
    assert_eq!(pages(&shop, "").await, (placed.clone(), 1));

    // Orders of one batch begin at the same instant; their order is stable all the same.
    world.execute("UPDATE orders SET created_at = '2020-01-01', expires_at = now() + interval '60 s'").await;
    let (ids, count) = pages(&shop, "limit=2").await;
    placed.sort_by(|one, other| other.cmp(one));
    assert_eq!((ids, count), (placed, 4));
    world.finish().await;
}

#[tokio::test]
async fn an_order_that_arrives_while_pages_are_turned_repeats_none() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 100).await;
    let mut placed = vec![];
    for _ in 0..3 {
        placed.insert(0, shop.place("mug", 1, 60).await.text("id").to_owned());
    }
    let first = shop.get("/v1/orders?limit=2").await;
    shop.place("mug", 1, 60).await;
    let next = shop.get(&format!("/v1/orders?limit=2&after={}", first.text("next"))).await;
    let ids =
        |page: &Value| page["orders"].as_array().unwrap().iter().map(|order| order["id"].clone()).collect();
    let seen: Vec<Value> =
        [ids(&first.body), ids(&next.body)].into_iter().flat_map(|ids: Vec<Value>| ids).collect();
    assert_eq!(json!(seen), json!(placed));
    world.finish().await;
}

#[tokio::test]
async fn a_list_can_be_of_one_status_and_shows_orders_whole() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 3).await;
    shop.charge(1_000).await;
    let paid = shop.place("mug", 1, 60).await;
    shop.pay(paid.text("id")).await;
    let held = shop.place("mug", 2, 60).await;
    let refused = shop.place("mug", 9, 60).await;

    for (status, id) in
        [("paid", paid.text("id")), ("held", held.text("id")), ("refused", refused.text("order_id"))]
    {
        let mut page = shop.get(&format!("/v1/orders?status={status}")).await;
        let listed = page.body["orders"].as_array_mut().unwrap();
        listed.iter_mut().for_each(|order| drop(order.as_object_mut().unwrap().remove("expires_in_ms")));
        assert_eq!(*listed, [shop.order(id).await.lasting()]);
        assert_eq!(page.body.get("next"), None);
    }
    assert_eq!(shop.get("/v1/orders?status=expired").await.body["orders"], json!([]));
    assert_eq!(pages(&shop, "status=held&limit=1").await.0, [held.text("id")]);
    world.finish().await;
}

#[tokio::test]
async fn a_list_starts_after_no_order_of_another_customer() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 3).await;
    shop.place("mug", 1, 60).await;
    let bobs = shop.as_customer("bob").place("mug", 1, 60).await;
    let foreign = shop.get(&format!("/v1/orders?after={}", bobs.text("id"))).await;
    let unknown = shop.get(&format!("/v1/orders?after={}", uuid::Uuid::now_v7())).await;
    assert_eq!((foreign.status, &foreign.body), (200, &json!({"orders": []})));
    assert_eq!((unknown.status, &unknown.body), (200, &foreign.body));
    world.finish().await;
}
