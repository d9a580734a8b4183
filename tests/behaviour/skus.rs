//! SKUs: made, changed and read; stock is counted, and every change of it leaves a movement.

use futures_util::future::join_all;
use holdfast::message::Queue;
use holdfast::store::operators::tokens::Role;
use holdfast_workers::pools::Pool;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::world::World;

#[tokio::test]
async fn a_sku_is_created_changed_and_read() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let whole = json!({"name": "머그 ☕", "price_won": 12_000, "on_hand": 7, "discount_ratio": 0.25, "max_per_customer": 3});
    let created = shop.put("/v1/skus/Mug-1.blue_XL", &whole).await;
    let expected = json!({"sku": "Mug-1.blue_XL", "name": "머그 ☕", "price_won": 12_000, "discount_ratio": 0.25,
                          "max_per_customer": 3, "is_active": true, "on_hand": 7, "reserved": 0, "available": 7});
    assert_eq!((created.status, &created.body), (201, &expected));
    assert_eq!(shop.get("/v1/skus/Mug-1.blue_XL").await.body, expected);

    // A replacement that would silently lose something says so, and what it says can be named.
    let short = json!({"name": "Mug", "price_won": 0});
    let refused = shop.put("/v1/skus/Mug-1.blue_XL", &short).await;
    assert_eq!((refused.status, refused.problem()), (422, "unprocessable"));
    assert!(refused.text("detail").contains("name discount_ratio, max_per_customer too"), "{refused:?}");
    assert_eq!(shop.get("/v1/skus/Mug-1.blue_XL").await.body, expected);
    let replaced = json!({"name": "Mug", "price_won": 0, "discount_ratio": 0, "max_per_customer": null});
    let changed = shop.put("/v1/skus/Mug-1.blue_XL", &replaced).await;
    let expected = json!({"sku": "Mug-1.blue_XL", "name": "Mug", "price_won": 0, "discount_ratio": 0.0, "is_active": true,
                          "on_hand": 7, "reserved": 0, "available": 7});
    assert_eq!((changed.status, &changed.body), (200, &expected));
    // Where nothing is lost, the same short request is as good as ever.
    assert_eq!(shop.put("/v1/skus/Mug-1.blue_XL", &short).await.status, 200);
    let other_case = shop.get("/v1/skus/mug-1.blue_xl").await;
    assert_eq!((other_case.status, other_case.problem()), (404, "not-found"));
    world.finish().await;
}

#[tokio::test]
async fn on_hand_is_absolute_and_every_change_of_it_is_recorded() {
    let (world, shop) = World::running().await;
    for on_hand in [5, 8, 8, 6] {
        shop.stock("mug", on_hand).await;
    }
    shop.charge(2_000).await;
    let order = shop.place("mug", 2, 60).await;
    shop.pay(order.text("id")).await;
    let sql = "SELECT json_agg(json_build_array(reason, on_hand_change) ORDER BY id) FROM stock_movements";
    let movements: Value = sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap();
    assert_eq!(movements, json!([["received", 5], ["received", 3], ["adjusted", -2], ["sold", -2]]));
    assert_eq!(shop.available("mug").await, 4);
    world.finish().await;
}

#[tokio::test]
async fn no_fewer_units_can_be_owned_than_are_on_hold() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 5).await;
    shop.place("mug", 3, 60).await;
    let before = shop.get("/v1/skus/mug").await.body;
    let request = shop.request(Method::PUT, "/v1/skus/mug").header("If-Match", "*");
    let refused = shop.send(request.json(&json!({"name": "Cup", "price_won": 1, "on_hand": 2}))).await;
    assert_eq!(
        (refused.status, refused.problem(), &refused.body["reserved"]),
        (409, "below-reserved", &json!(3))
    );
    // All of it is refused, the name and the price too.
    assert_eq!(shop.get("/v1/skus/mug").await.body, before);
    shop.stock("mug", 3).await;
    let sku = shop.get("/v1/skus/mug").await.body;
    assert_eq!(json!([sku["on_hand"], sku["reserved"], sku["available"]]), json!([3, 3, 0]));
    world.finish().await;
}

#[tokio::test]
async fn units_of_overdue_holds_are_available_and_go_to_the_next_buyer_unreleased() {
    let world = World::idle().await;
    // No timer and no sweeper: only the buyer who is short releases what is overdue.
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 3).await;
    shop.stock("tee", 9).await;
    let items = json!([{"sku": "mug", "quantity": 2}, {"sku": "tee", "quantity": 4}]);
    let overdue = shop.post("/v1/orders", &json!({"items": items})).await;
    shop.place("mug", 1, 60).await;
    world.make_overdue(overdue.text("id")).await;

    let sku = shop.get("/v1/skus/mug").await.body;
    assert_eq!(json!([sku["on_hand"], sku["reserved"], sku["available"]]), json!([3, 3, 2]));
    let bob = shop.as_customer("bob");
    let refused = bob.place("mug", 3, 60).await;
    assert_eq!(refused.body["shortages"], json!([{"sku": "mug", "requested": 3, "available": 2}]));
    assert_eq!(bob.place("mug", 2, 60).await.status, 201);
    assert_eq!(shop.status(overdue.text("id")).await, "expired");
    assert_eq!((shop.available("mug").await, shop.available("tee").await), (0, 9));
    world.finish().await;
}

#[tokio::test]
async fn a_sku_put_by_many_at_once_is_created_once() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let body = json!({"name": "Mug", "price_won": 1, "on_hand": 4});
    let answers = join_all((0..10).map(|_| shop.put("/v1/skus/mug", &body))).await;
    let times = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((times(201), times(200)), (1, 9), "{answers:?}");
    assert_eq!(world.count("SELECT count(*) FROM stock_movements").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn shops_and_operators_keep_the_catalogue_and_every_token_reads_it() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    let roles = [
        (Role::Shop, true),
        (Role::Operator, true),
        (Role::Admin, true),
        (Role::Viewer, false),
        (Role::Customer, false),
    ];
    for (role, keeps) in roles {
        let token = world.token(role, (role == Role::Customer).then_some("alice")).await;
        let caller = shop.with_token(&token);
        let put = caller.put("/v1/skus/mug", &json!({"name": "Mug", "price_won": 5})).await;
        if keeps {
            assert_eq!(put.status, 200, "{role:?}");
        } else {
            assert_eq!((put.status, put.problem()), (403, "forbidden"), "{role:?}");
        }
        assert_eq!(caller.get("/v1/skus/mug").await.status, 200, "{role:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_restock_by_patch_changes_nothing_but_what_it_names() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let whole =
        json!({"name": "Mug", "price_won": 900, "on_hand": 8, "discount_ratio": 0.5, "max_per_customer": 2});
    assert_eq!(shop.put("/v1/skus/mug", &whole).await.status, 201);
    let patched =
        shop.patch("/v1/skus/mug", &json!({"price_won": 1_000, "sale_until": "2999-01-01T00:00:00Z"})).await;
    let expected = json!({"sku": "mug", "name": "Mug", "price_won": 1_000, "discount_ratio": 0.5, "max_per_customer": 2,
                          "is_active": true, "sale_until": "2999-01-01T00:00:00Z", "on_hand": 8, "reserved": 0,
                          "available": 8});
    assert_eq!((patched.status, &patched.body), (200, &expected));
    let cleared = json!({"discount_ratio": null, "max_per_customer": null, "sale_until": null});
    let cleared = shop.patch("/v1/skus/mug", &cleared).await.body;
    assert_eq!(cleared["discount_ratio"], 0.0);
    assert!(cleared.get("max_per_customer").is_none() && cleared.get("sale_until").is_none(), "{cleared}");
    for (body, status) in [
        (json!({"name": null}), 422),
        (json!({"price_won": null}), 422),
        (json!({"on_hand": null}), 422),
        (json!({"is_active": null}), 200),
        (json!({"sale_from": "+262142-12-31T00:00:00Z"}), 422),
        (json!({"price_won": -1}), 422),
        (json!({"colour": "blue"}), 422),
        (json!({"sale_from": "2030-01-02T00:00:00Z", "sale_until": "2030-01-01T00:00:00Z"}), 422),
        (json!({"on_hand": 9}), 428),
        (json!({}), 200),
    ] {
        assert_eq!(shop.patch("/v1/skus/mug", &body).await.status, status, "{body}");
    }
    assert_eq!(shop.patch("/v1/skus/none", &json!({})).await.problem(), "not-found");
    world.finish().await;
}

#[tokio::test]
async fn stock_that_was_sold_since_it_was_read_is_not_put_back_by_a_stale_put() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 2).await;
    let tag = |answer: &Answer| answer.headers["etag"].clone();
    let read = shop.get("/v1/skus/mug").await;
    let seen = read.text("name").to_owned();
    shop.charge(1_000).await;
    // A hold spoils nobody's edit, a sale does.
    let order = shop.place("mug", 1, 60).await;
    let request = |if_match, on_hand| {
        let request = shop.request(Method::PUT, "/v1/skus/mug").header("If-Match", if_match);
        request.json(&json!({"name": seen, "price_won": 1_000, "on_hand": on_hand}))
    };
    assert_eq!(shop.send(request(tag(&read), 2)).await.status, 200);
    assert_eq!(shop.pay(order.text("id")).await.status, 200);
    let stale = shop.send(request(tag(&read), 2)).await;
    assert_eq!((stale.status, stale.problem()), (412, "precondition-failed"));
    let unseen = shop.put("/v1/skus/mug", &json!({"name": seen, "price_won": 1_000, "on_hand": 2})).await;
    assert_eq!((unseen.status, unseen.problem()), (428, "precondition-required"));
    assert_eq!(shop.available("mug").await, 1);

    let fresh = shop.get("/v1/skus/mug").await;
    let set = shop.send(request(tag(&fresh), 5)).await;
    assert_eq!((set.status, &set.body["on_hand"]), (200, &json!(5)));
    // The answer's tag is good for the next change, and nobody waits for an answer that they have.
    assert_eq!(shop.send(request(tag(&set), 4)).await.status, 200);
    let last = tag(&shop.get("/v1/skus/mug").await);
    let again = shop.request(Method::GET, "/v1/skus/mug").header("If-None-Match", last);
    assert_eq!(shop.send(again).await.status, 304);
    let only_new = shop.request(Method::PUT, "/v1/skus/mug").header("If-None-Match", "*");
    let only_new = shop.send(only_new.json(&json!({"name": "Mug", "price_won": 1_000}))).await;
    assert_eq!(only_new.problem(), "precondition-failed");
    world.finish().await;
}

#[tokio::test]
async fn a_receipt_counts_once_and_its_movement_says_who_received_what_and_why() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 2).await;
    shop.place("mug", 2, 60).await;
    let receive = async |key: &str, units: i64| {
        shop.post_as(key, "/v1/skus/mug/receipts", &json!({"units": units, "reason": "delivery 7"})).await
    };
    for _ in 0..2 {
        let received = receive("a", 3).await;
        assert_eq!((received.status, &received.body["on_hand"]), (200, &json!(5)));
    }
    assert_eq!(receive("a", 4).await.problem(), "key-reused");
    let (other_reason, other_sku) =
        (json!({"units": 3, "reason": "another"}), json!({"units": 3, "reason": "delivery 7"}));
    shop.stock("tee", 0).await;
    assert_eq!(shop.post_as("a", "/v1/skus/mug/receipts", &other_reason).await.problem(), "key-reused");
    assert_eq!(shop.post_as("a", "/v1/skus/tee/receipts", &other_sku).await.problem(), "key-reused");
    // A key is its token's.
    let second = shop.with_token(&world.named_token("second-shop", Role::Shop).await);
    assert_eq!(second.post_as("a", "/v1/skus/tee/receipts", &other_sku).await.body["on_hand"], 3);
    assert_eq!(receive("b", -3).await.body["on_hand"], 2);
    let refused = receive("c", -1).await;
    assert_eq!((refused.status, refused.problem()), (409, "below-reserved"));
    assert_eq!(receive("d", 0).await.status, 422);
    assert_eq!(shop.post("/v1/skus/none/receipts", &json!({"units": 1, "reason": "x"})).await.status, 404);
    let sql = "SELECT json_agg(json_build_array(reason, on_hand_change, actor, note) ORDER BY id)
                 FROM stock_movements WHERE sku_id = (SELECT id FROM skus WHERE code = 'mug')";
    let movements: Value = sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap();
    let actor = movements[0][2].clone();
    let expected = json!([
        ["received", 2, actor, "on_hand was set"],
        ["received", 3, actor, "delivery 7"],
        ["adjusted", -3, actor, "delivery 7"],
    ]);
    assert!(actor.is_string() && movements == expected, "{movements}");
    world.finish().await;
}

#[tokio::test]
async fn what_is_off_sale_gets_no_new_holds_while_old_ones_go_on_and_give_back_to_nobody() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 3).await;
    shop.charge(1_000).await;
    let (kept, released) = (shop.place("mug", 1, 60).await, shop.place("mug", 1, 60).await);
    assert_eq!(shop.patch("/v1/skus/mug", &json!({"is_active": false})).await.status, 200);
    let refused = shop.place("mug", 1, 60).await;
    assert_eq!((refused.status, refused.problem()), (409, "off-sale"));
    assert_eq!(refused.body["skus"], json!([{"sku": "mug"}]));
    assert_eq!(shop.pay(kept.text("id")).await.status, 200);
    let cancelled = shop.post(&format!("/v1/orders/{}/cancel", released.text("id")), &json!({})).await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    assert_eq!((shop.available("mug").await, shop.place("mug", 1, 60).await.status), (2, 409));

    let times = |from: &str, until: Value| json!({"is_active": true, "sale_from": from, "sale_until": until});
    shop.patch("/v1/skus/mug", &times("2999-01-01T00:00:00Z", Value::Null)).await;
    let early = shop.place("mug", 1, 60).await;
    assert_eq!(early.body["skus"], json!([{"sku": "mug", "sale_from": "2999-01-01T00:00:00Z"}]));
    shop.patch("/v1/skus/mug", &times("2000-01-01T00:00:00Z", json!("2001-01-01T00:00:00Z"))).await;
    assert_eq!(shop.place("mug", 1, 60).await.problem(), "off-sale");
    shop.patch("/v1/skus/mug", &times("2000-01-01T00:00:00Z", Value::Null)).await;
    assert_eq!(shop.place("mug", 1, 60).await.status, 201);
    world.finish().await;
}

#[tokio::test]
async fn a_buyer_who_was_told_another_price_holds_and_pays_nothing() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 3).await;
    shop.charge(5_000).await;
    let items = json!([{"sku": "mug", "quantity": 2}]);
    let place = async |expected: i64| {
        shop.post("/v1/orders", &json!({"items": items, "expected_amount_won": expected})).await
    };
    shop.patch("/v1/skus/mug", &json!({"discount_ratio": 0.1})).await;
    let refused = place(2_000).await;
    assert_eq!((refused.status, refused.problem()), (409, "price-changed"));
    assert_eq!(refused.body["amount_won"], 1_800);
    let item = json!([{"sku": "mug", "quantity": 2, "unit_price_won": 1_000, "discount_ratio": 0.1, "amount_won": 1_800}]);
    assert_eq!(refused.body["items"], item);
    let held = place(1_800).await;
    assert_eq!(held.status, 201);

    let pay = async |expected: i64| {
        let path = format!("/v1/orders/{}/payments", held.text("id"));
        shop.post(&path, &json!({"method": "wallet", "expected_amount_won": expected})).await
    };
    let refused = pay(2_000).await;
    assert_eq!(
        (refused.status, refused.problem(), &refused.body["amount_won"]),
        (409, "price-changed", &json!(1_800))
    );
    assert_eq!(pay(1_800).await.status, 200);
    assert_eq!(shop.get("/v1/wallet").await.body["balance_won"], 3_200);
    world.finish().await;
}

#[tokio::test]
async fn skus_are_listed_in_the_order_of_their_codes_page_by_page() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    for sku in ["c", "a", "b"] {
        shop.stock(sku, 1).await;
    }
    let codes = |answer: &Answer| -> Vec<String> {
        let skus = answer.body["skus"].as_array().unwrap().iter();
        skus.map(|sku| sku["sku"].as_str().unwrap().to_owned()).collect()
    };
    let first = shop.get("/v1/skus?limit=2").await;
    assert_eq!((codes(&first), first.text("next")), (vec!["a".to_owned(), "b".to_owned()], "b"));
    let second = shop.get("/v1/skus?limit=2&after=b").await;
    assert_eq!((codes(&second), second.body.get("next")), (vec!["c".to_owned()], None));
    for query in ["limit=0", "limit=101", "after=%00", "colour=blue"] {
        assert_eq!(shop.get(&format!("/v1/skus?{query}")).await.status, 422, "{query}");
    }
    world.finish().await;
}
