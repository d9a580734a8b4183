//! Orders are found by everything an operator may know of them.

use futures_util::future::join_all;
use holdfast::store::operators::tokens::Role;
use serde_json::Value;

use crate::support::client::{Answer, Client};
use crate::support::world::World;

/// The ids of the orders that a search finds, newest first.
async fn found(viewer: &Client, query: &str) -> Vec<String> {
    let answer = viewer.get(&format!("/v1/ops/orders?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    ids(&answer)
}

fn ids(answer: &Answer) -> Vec<String> {
    let orders = answer.body["orders"].as_array().unwrap();
    orders.iter().map(|order| order["id"].as_str().unwrap().to_owned()).collect()
}

async fn viewer(world: &World, shop: &Client) -> Client {
    shop.with_token(&world.token(Role::Viewer, None).await)
}

#[tokio::test]
async fn a_search_finds_orders_by_each_filter_and_by_several_together() {
    let (world, alice) = World::running().await;
    let viewer = viewer(&world, &alice).await;
    let bob = alice.as_customer("bob");
    alice.stock("mug", 10).await;
    alice.stock("cup", 10).await;
    bob.charge(5_000).await;
    let held = alice.place("mug", 1, 600).await.text("id").to_owned();
    let cancelled = alice.place("cup", 2, 600).await.text("id").to_owned();
    alice.post(&format!("/v1/orders/{cancelled}/cancel"), &Value::Null).await;
    let paid = bob.place("cup", 1, 600).await.text("id").to_owned();
    assert_eq!(bob.pay(&paid).await.status, 200);
    let refused = bob.place("mug", 100, 600).await.text("order_id").to_owned();

    let all = [&refused, &paid, &cancelled, &held].map(String::clone);
    assert_eq!(found(&viewer, "").await, all, "newest first");
    assert_eq!(found(&viewer, "order=&customer=&sku=&status=&payment=&from=&until=&after=").await, all);
    assert_eq!(found(&viewer, "customer=bob").await, [refused.clone(), paid.clone()]);
    assert_eq!(found(&viewer, "sku=cup").await, [paid.clone(), cancelled.clone()]);
    assert_eq!(found(&viewer, "sku=cup&customer=alice").await, [cancelled.as_str()]);
    assert_eq!(found(&viewer, "sku=nothing").await, Vec::<String>::new());
    for (status, order) in
        [("held", &held), ("cancelled", &cancelled), ("paid", &paid), ("refused", &refused)]
    {
        assert_eq!(found(&viewer, &format!("status={status}")).await, [order.as_str()], "{status}");
    }
    assert_eq!(found(&viewer, &format!("order={held}")).await, [held.as_str()]);
    assert_eq!(found(&viewer, &format!("order={}", &held[..10])).await, [held.as_str()]);
    assert_eq!(found(&viewer, &format!("order={}&status=paid", &held[..10])).await, Vec::<String>::new());

    let shown = viewer.get(&format!("/v1/ops/orders/{paid}")).await;
    let payment = shown.body["payments"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(found(&viewer, &format!("payment={payment}")).await, [paid.as_str()]);
    let decided = shown.body["order"]["created_at"].as_str().unwrap();
    assert_eq!(found(&viewer, &format!("from={decided}")).await, [refused.clone(), paid.clone()]);
    assert_eq!(found(&viewer, &format!("until={decided}")).await, [cancelled.clone(), held.clone()]);
    assert_eq!(found(&viewer, "from=2100-01-01").await, Vec::<String>::new());

    for nonsense in ["order=mug", "status=nice", "from=yesterday", "customer=a%20b", "after=1", "colour=red"]
    {
        assert_eq!(viewer.get(&format!("/v1/ops/orders?{nonsense}")).await.status, 422, "{nonsense}");
    }
    world.finish().await;
}

#[tokio::test]
async fn pages_of_a_hundred_follow_each_other_without_gap_or_repetition() {
    let (world, shop) = World::running().await;
    let viewer = viewer(&world, &shop).await;
    shop.stock("mug", 1_000).await;
    let customers: Vec<Client> = (0..130).map(|number| shop.as_customer(&format!("c{number}"))).collect();
    for answer in join_all(customers.iter().map(|customer| customer.place("mug", 1, 600))).await {
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    for filter in ["", "status=held", "sku=mug"] {
        let first = viewer.get(&format!("/v1/ops/orders?{filter}")).await;
        let next = first.text("next");
        let second = viewer.get(&format!("/v1/ops/orders?{filter}&after={next}")).await;
        assert_eq!((ids(&first).len(), ids(&second).len()), (100, 30), "{filter}");
        assert!(second.body["next"].is_null());
        let mut seen = [ids(&first), ids(&second)].concat();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 130);
    }
    world.finish().await;
}

#[tokio::test]
async fn what_operators_read_is_for_viewers_and_nobody_else() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 10).await;
    let order = shop.place("mug", 1, 600).await.text("id").to_owned();
    let customer = shop.with_token(&world.token(Role::Customer, Some("alice")).await);
    let stranger = shop.with_token("nobody");
    let viewer = viewer(&world, &shop).await;
    for path in [
        "/v1/ops/orders".to_owned(),
        format!("/v1/ops/orders/{order}"),
        "/v1/ops/stock".to_owned(),
        "/v1/ops/stock/mug".to_owned(),
    ] {
        assert_eq!(viewer.get(&path).await.status, 200, "{path}");
        assert_eq!(shop.get(&path).await.status, 403, "{path}");
        assert_eq!(customer.get(&path).await.status, 403, "{path}");
        assert_eq!(stranger.get(&path).await.status, 401, "{path}");
    }
    for missing in
        ["/v1/ops/orders/mug", "/v1/ops/orders/0191a2b3-c4d5-8e6f-8a7b-1c2d3e4f5a6b", "/v1/ops/stock/cup"]
    {
        assert_eq!(viewer.get(missing).await.status, 404, "{missing}");
    }
    world.finish().await;
}
