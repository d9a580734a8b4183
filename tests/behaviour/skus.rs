//! SKUs: made, changed and read; stock is counted, and every change of it leaves a movement.

use futures_util::future::join_all;
use holdfast::message::Queue;
use holdfast::store::operators::tokens::Role;
use holdfast_workers::pools::Pool;
use serde_json::{Value, json};

use crate::support::world::World;

#[tokio::test]
async fn a_sku_is_created_changed_and_read() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let whole = json!({"name": "머그 ☕", "price_won": 12_000, "on_hand": 7, "discount_ratio": 0.25, "max_per_customer": 3});
    let created = shop.put("/v1/skus/Mug-1.blue_XL", &whole).await;
    let expected = json!({"sku": "Mug-1.blue_XL", "name": "머그 ☕", "price_won": 12_000, "discount_ratio": 0.25,
                          "max_per_customer": 3, "on_hand": 7, "reserved": 0, "available": 7});
    assert_eq!((created.status, &created.body), (201, &expected));
    assert_eq!(shop.get("/v1/skus/Mug-1.blue_XL").await.body, expected);

    // What is absent goes back to its default, but stock that is not named stays.
    let changed = shop.put("/v1/skus/Mug-1.blue_XL", &json!({"name": "Mug", "price_won": 0})).await;
    let expected = json!({"sku": "Mug-1.blue_XL", "name": "Mug", "price_won": 0, "discount_ratio": 0.0, "on_hand": 7,
                          "reserved": 0, "available": 7});
    assert_eq!((changed.status, &changed.body), (200, &expected));
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
    let refused = shop.put("/v1/skus/mug", &json!({"name": "Cup", "price_won": 1, "on_hand": 2})).await;
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
