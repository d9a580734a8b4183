//! What a product says of its SKUs: of those that a buyer can have, whoever changed them and when.

use holdfast::store::operators::tokens::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::eventually;
use crate::support::world::World;

const SHIRT: &str = "/v1/products/shirt";

/// A shirt of two sizes at 1,000 and 1,500 won, of which there are five and seven, and a cap at 1,200.
async fn stock(shop: &Client) {
    for (sku, definition) in [
        ("s", json!({"name": "S", "price_won": 1_000, "on_hand": 5})),
        ("m", json!({"name": "M", "price_won": 3_000, "discount_ratio": 0.5, "on_hand": 7})),
        ("cap", json!({"name": "Cap", "price_won": 1_200})),
    ] {
        assert_eq!(shop.put(&format!("/v1/skus/{sku}"), &definition).await.status, 201);
    }
    let shirt = json!({"name": "Shirt", "options": [{"name": "size", "values": ["S", "M"]}],
                       "skus": [{"sku": "s", "choices": ["S"]}, {"sku": "m", "choices": ["M"]}]});
    assert_eq!(shop.put(SHIRT, &shirt).await.status, 201);
    shop.put("/v1/products/cap", &json!({"name": "Cap", "skus": [{"sku": "cap"}]})).await;
}

/// What is said of the shirt: its state, lowest and highest price, greatest discount and units, alike on its page and on a list.
async fn said(shop: &Client) -> Value {
    let parts = |shown: &Value| {
        let names = ["sale_state", "price_from_won", "price_to_won", "discount_ratio", "available"];
        Value::from_iter(names.map(|name| shown[name].clone()))
    };
    let page = shop.get(SHIRT).await.body;
    let list = shop.get("/v1/products?q=shirt").await.body;
    assert_eq!(parts(&list["products"][0]), parts(&page));
    parts(&page)
}

async fn by_price(caller: &Client) -> Vec<String> {
    let list = caller.get("/v1/products?sort=price").await.body;
    let codes = list["products"].as_array().unwrap().iter();
    codes.map(|product| product["product"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_product_speaks_of_what_a_buyer_can_have_of_it_and_lists_are_sorted_by_that() {
    let (world, shop) = World::running().await;
    let alice = shop.with_token(&world.token(Role::Customer, Some("alice")).await);
    stock(&shop).await;
    let all = json!(["on_sale", 1_000, 1_500, 0.5, 12]);
    let only_s = json!(["on_sale", 1_000, 1_000, 0.0, 5]);
    let only_m = json!(["on_sale", 1_500, 1_500, 0.5, 7]);
    assert_eq!(said(&shop).await, all);
    let (past, future) = ("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z");
    for (sku, change, expected, order) in [
        ("m", json!({"is_active": false}), &only_s, ["shirt", "cap"]),
        ("m", json!({"is_active": true}), &all, ["shirt", "cap"]),
        ("s", json!({"is_active": false}), &only_m, ["cap", "shirt"]),
        ("s", json!({"is_active": true, "sale_until": past}), &only_m, ["cap", "shirt"]),
        ("s", json!({"sale_until": null, "sale_from": future}), &only_m, ["cap", "shirt"]),
        ("s", json!({"sale_from": past, "sale_until": future}), &all, ["shirt", "cap"]),
        ("s", json!({"sale_from": null, "sale_until": null}), &all, ["shirt", "cap"]),
    ] {
        assert_eq!(shop.patch(&format!("/v1/skus/{sku}"), &change).await.status, 200);
        assert_eq!(&said(&shop).await, expected, "{sku} {change}");
        assert_eq!(by_price(&alice).await, order, "{sku} {change}");
    }
    // Where no SKU is sold, buyers see no product, and the shop sees why.
    for sku in ["s", "m"] {
        shop.patch(&format!("/v1/skus/{sku}"), &json!({"is_active": false})).await;
    }
    assert_eq!(said(&shop).await, json!(["inactive", null, null, 0.0, 0]));
    assert_eq!((by_price(&alice).await, alice.get(SHIRT).await.status), (vec!["cap".to_owned()], 404));
    shop.patch("/v1/skus/s", &json!({"is_active": true})).await;

    // Before its sale begins it speaks of what will be sold.
    assert_eq!(shop.patch(SHIRT, &json!({"sale_from": future})).await.status, 200);
    assert_eq!(said(&shop).await, json!(["upcoming", 1_000, 1_000, 0.0, 5]));
    shop.patch("/v1/skus/m", &json!({"is_active": true, "sale_from": "2100-01-01T00:00:00Z"})).await;
    assert_eq!(said(&shop).await, json!(["upcoming", 1_000, 1_500, 0.5, 12]));
    // After its end it speaks of what it cost last, and has nothing to sell.
    shop.patch(SHIRT, &json!({"sale_from": null, "sale_until": past})).await;
    assert_eq!(said(&shop).await, json!(["ended", 1_000, 1_500, 0.5, 0]));
    shop.patch(SHIRT, &json!({"sale_until": null})).await;
    assert_eq!(said(&shop).await, all);

    // A SKU whose own time is up is left out by itself: of the units at once, of the prices within moments.
    let soon = holdfast::clock::now() + chrono::TimeDelta::milliseconds(500);
    shop.patch("/v1/skus/m", &json!({"sale_until": soon})).await;
    let is_over = async || (shop.get(SHIRT).await.body["price_to_won"] == 1_000).then_some(());
    eventually("m is offered no more", is_over).await;
    assert_eq!(said(&shop).await, only_s);
    world.finish().await;
}

#[tokio::test]
async fn a_product_follows_its_skus_whoever_writes_them() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    stock(&shop).await;
    // As an API of the version before does, which forgets the product, and then says of it what it thinks.
    world.execute("UPDATE skus SET price_won = 700 WHERE code = 's'").await;
    assert_eq!(shop.get(SHIRT).await.body["price_from_won"], 700);
    world.execute("UPDATE skus SET is_active = false WHERE code = 's'").await;
    assert_eq!(shop.get(SHIRT).await.body["price_from_won"], 1_500);
    world.execute("UPDATE products SET sku_count = 9, price_from_won = 9, offered_from_won = 9").await;
    assert_eq!(shop.get(SHIRT).await.body["price_from_won"], 1_500);
    let sql = "SELECT count(*) FROM products WHERE (sku_count, price_from_won) IN ((2, 700), (1, 1200))";
    assert_eq!(world.count(sql).await, 2, "the columns of the version before tell of all SKUs");
    world.execute("DELETE FROM product_skus WHERE position = 1").await;
    assert_eq!(shop.get(SHIRT).await.body["sale_state"], "inactive");
    world.finish().await;
}

/// Waits until somebody waits for a lock.
async fn until_locked_out(world: &World) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("somebody waits for a lock", async || (world.count(sql).await > 0).then_some(())).await;
}

#[tokio::test]
async fn a_product_that_takes_in_a_sku_which_is_made_and_repriced_meanwhile_has_its_last_price() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    stock(&shop).await;
    // The product is locked by somebody else, so whoever replaces it has looked for its SKUs and waits.
    let mut first = world.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM products WHERE code = 'cap' FOR UPDATE").execute(&mut *first).await.unwrap();
    let put = tokio::spawn({
        let (shop, cap) = (shop.clone(), json!({"name": "Cap", "skus": [{"sku": "late"}]}));
        let request = shop.request(Method::PUT, "/v1/products/cap").header("If-Match", "*").json(&cap);
        async move { shop.send(request).await }
    });
    until_locked_out(&world).await;
    shop.put("/v1/skus/late", &json!({"name": "Late", "price_won": 900})).await;
    let mut second = world.pool.begin().await.unwrap();
    sqlx::query("UPDATE skus SET price_won = 800 WHERE code = 'late'").execute(&mut *second).await.unwrap();
    first.commit().await.unwrap();
    let waits = "SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM skus%'";
    eventually("the product is written, or its writer waits for the SKU", async || {
        (put.is_finished() || world.count(waits).await > 0).then_some(())
    })
    .await;
    second.commit().await.unwrap();
    let put: Answer = put.await.unwrap();
    assert_eq!((put.status, &put.body["price_from_won"]), (200, &json!(800)), "{put:?}");
    world.finish().await;
}

#[tokio::test]
async fn many_who_take_skus_in_and_out_and_reprice_them_leave_products_that_agree_with_them() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    stock(&shop).await;
    let tasks = (0..12).map(|n: i64| {
        let shop = shop.clone();
        async move {
            let (one, other) = (json!({"sku": "s", "choices": []}), json!({"sku": "m", "choices": []}));
            let sku = if n % 2 == 0 { one } else { other };
            match n % 3 {
                0 => shop.patch(SHIRT, &json!({"options": [], "skus": [sku]})).await.status,
                1 => shop.patch("/v1/products/cap", &json!({"options": [], "skus": [sku]})).await.status,
                _ => {
                    shop.patch(
                        &format!("/v1/skus/{}", sku["sku"].as_str().unwrap()),
                        &json!({"price_won": n}),
                    )
                    .await
                    .status
                }
            }
        }
    });
    let statuses = futures_util::future::join_all(tasks).await;
    assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
    world.finish().await;
}
