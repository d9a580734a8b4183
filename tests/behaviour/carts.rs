//! Carts: what somebody means to buy. They hold nothing, lose nothing, and are shown to nobody else.

use futures_util::future::join_all;
use holdfast::message::Queue;
use holdfast::store::operators::tokens::Role;
use holdfast_workers::pools::Pool;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cart::{Guest, in_cart, items};
use crate::support::client::{Answer, Client};
use crate::support::eventually;
use crate::support::world::World;

/// The SKU costs something else from now on.
async fn price(shop: &Client, sku: &str, price_won: i64, discount_ratio: f64) {
    let change = json!({"name": "New", "price_won": price_won, "discount_ratio": discount_ratio});
    assert_eq!(shop.patch(&format!("/v1/skus/{sku}"), &change).await.status, 200);
}

#[tokio::test]
async fn a_cart_says_what_its_items_cost_and_how_many_there_are_and_holds_none_of_them() {
    let world = World::idle().await;
    world.start_workers_of(&[Queue::OrderHold]);
    world.start_workers(Pool::Relay);
    let shop = world.start_api().await;
    shop.stock("mug", 3).await;
    shop.stock("tee", 1).await;
    let empty = json!({"items": [], "amount_won": 0, "currency": "KRW"});
    assert_eq!(shop.get("/v1/cart").await.body, empty);
    assert_eq!(world.count("SELECT count(*) FROM carts").await, 0, "looking at a cart makes none");

    assert_eq!(in_cart(&shop.put_in("tee", 2).await), items(&[("tee", 2)]));
    let cart = shop.put_in("mug", 2).await;
    assert_eq!((cart.status, &cart.headers["cache-control"]), (200, &"no-store".parse().unwrap()));
    let mug = json!({
        "sku": "mug", "quantity": 2, "put_in_at_won": 1_000, "name": "The mug", "unit_price_won": 1_000,
        "discount_ratio": 0.0, "discounted_price_won": 1_000, "amount_won": 2_000, "price_changed": false,
        "sale": "on", "available": 3, "is_enough": true,
    });
    assert_eq!((&cart.body["items"][1], &cart.body["amount_won"]), (&mug, &json!(4_000)));
    assert_eq!(
        (&cart.body["items"][0]["is_enough"], &cart.body["items"][0]["available"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(shop.get("/v1/skus/mug").await.body["reserved"], 0, "a cart holds nothing");

    // A changed price is told, also to whoever takes more now.
    price(&shop, "mug", 2_000, 0.25).await;
    let cart = shop.put_in("mug", 3).await;
    let told = &cart.body["items"][1];
    let numbers =
        ["put_in_at_won", "unit_price_won", "discounted_price_won", "amount_won"].map(|of| told[of].as_i64());
    assert_eq!(numbers, [Some(1_000), Some(2_000), Some(1_500), Some(4_500)]);
    assert_eq!((&told["price_changed"], &told["name"]), (&json!(true), &json!("New")));

    // Held units are not available, overdue ones are.
    let held = shop.as_customer("bob").place("mug", 2, 600).await;
    assert_eq!(shop.get("/v1/cart").await.body["items"][1]["available"], 1);
    world.make_overdue(held.text("id")).await;
    let freed = shop.get("/v1/cart").await;
    assert_eq!(
        (&freed.body["items"][1]["available"], &freed.body["items"][1]["is_enough"]),
        (&json!(3), &json!(true))
    );

    // What is not sold now can lie in a cart all the same.
    shop.patch("/v1/skus/tee", &json!({"is_active": false})).await;
    shop.patch("/v1/skus/mug", &json!({"sale_from": "2999-01-01T00:00:00Z"})).await;
    let cart = shop.get("/v1/cart").await;
    let sale = |n: usize| (cart.body["items"][n]["sale"].clone(), cart.body["items"][n]["sale_from"].clone());
    assert_eq!(
        [sale(0), sale(1)],
        [(json!("off"), Value::Null), (json!("upcoming"), json!("2999-01-01T00:00:00Z"))]
    );

    // Put in anew, it is put in at today's price.
    assert_eq!(in_cart(&shop.delete("/v1/cart/items/mug").await), items(&[("tee", 2)]));
    assert_eq!(shop.put_in("mug", 1).await.body["items"][1]["put_in_at_won"], 1_500);
    // What the catalogue does not know any more is told.
    world.execute("UPDATE skus SET code = 'shirt' WHERE code = 'tee'").await;
    let cart = shop.get("/v1/cart").await;
    let tee =
        json!({"sku": "tee", "quantity": 2, "put_in_at_won": 1_000, "is_unknown": true, "is_enough": false});
    assert_eq!((&cart.body["items"][0], &cart.body["amount_won"]), (&tee, &json!(1_500)));
    assert_eq!(in_cart(&shop.delete("/v1/cart").await), []);
    assert_eq!(shop.get("/v1/cart").await.body, empty);
    world.execute("UPDATE orders SET expires_at = now() + interval '1 hour'").await;
    world.finish().await;
}

#[tokio::test]
async fn of_what_the_shop_hides_a_cart_tells_nothing_and_takes_nothing_in() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    for sku in ["mug", "loose"] {
        shop.stock(sku, 5).await;
    }
    let product = |is_active: bool, until: Value| json!({"name": "Mug", "is_active": is_active, "sale_until": until, "skus": [{"sku": "mug"}]});
    let show = async |body: Value| {
        let seen = shop.get("/v1/products/mug").await;
        let request = shop.request(Method::PUT, "/v1/products/mug").json(&body);
        let request =
            seen.headers.get("etag").into_iter().fold(request, |to, tag| to.header("If-Match", tag));
        let shown = shop.send(request).await;
        assert!(shown.status < 300, "{shown:?}");
    };
    show(product(true, Value::Null)).await;
    let (guest, newcomer) = (Guest::new(&shop).await, Guest::new(&shop).await);
    assert_eq!((guest.put_in("mug", 2).await.status, shop.put_in("mug", 1).await.status), (200, 200));
    let seen = guest.call(Method::GET, "/v1/cart", None).await.body;
    assert_eq!((&seen["items"][0]["name"], &seen["amount_won"]), (&json!("The mug"), &json!(2_000)));

    let unknown = newcomer.put_in("nothing", 1).await;
    let hidden =
        json!({"sku": "mug", "quantity": 2, "put_in_at_won": 1_000, "is_unknown": true, "is_enough": false});
    for hide in [
        Some(product(false, Value::Null)),
        // Buyers do not see a product whose sale is over.
        Some(product(true, json!("2020-01-01T00:00:00Z"))),
        None,
    ] {
        match hide {
            Some(body) => show(body).await,
            None => {
                let seen = shop.get("/v1/products/mug").await;
                let request = shop.request(Method::DELETE, "/v1/products/mug");
                let archived = shop.send(request.header("If-Match", &seen.headers["etag"])).await;
                assert!(archived.status < 300, "{archived:?}");
            }
        }
        // To guests, customers and shops that act for one alike it is as if it were not there.
        for refused in
            [newcomer.put_in("mug", 1).await, guest.put_in("mug", 1).await, shop.put_in("mug", 2).await]
        {
            assert_eq!((refused.status, &refused.body), (404, &unknown.body));
        }
        let cart = guest.call(Method::GET, "/v1/cart", None).await.body;
        assert_eq!((&cart["items"], &cart["amount_won"]), (&json!([hidden]), &json!(0)));
        assert_eq!(shop.get("/v1/cart").await.body["items"][0]["is_unknown"], true);
    }
    // What belongs to no product is sold as ever, and what is shown again is there again.
    assert_eq!(in_cart(&newcomer.put_in("loose", 1).await), items(&[("loose", 1)]));
    show(product(true, Value::Null)).await;
    assert_eq!(guest.call(Method::GET, "/v1/cart", None).await.body["items"][0]["available"], 5);
    world.finish().await;
}

#[tokio::test]
async fn a_cart_is_its_owners_takes_fifty_skus_and_refuses_what_no_order_may_ask_for() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    join_all((0..51).map(|n| {
        let shop = shop.clone();
        async move { shop.stock(&format!("sku-{n}"), 1).await }
    }))
    .await;
    assert_eq!(shop.put_in("sku-0", 1).await.status, 200);
    let token = shop.with_token(&world.token(Role::Customer, Some("alice")).await);
    assert_eq!(token.cart().await, items(&[("sku-0", 1)]));
    assert_eq!(token.as_customer("bob").get("/v1/cart").await.status, 403);
    assert_eq!(shop.as_customer("bob").cart().await, []);

    for quantity in [json!(0), json!(-1), json!(1_001), json!(1.5), json!("2"), json!(null)] {
        let refused = shop.put("/v1/cart/items/sku-0", &json!({"quantity": quantity})).await;
        assert_eq!((refused.status, refused.problem()), (422, "unprocessable"), "{quantity}");
    }
    for (sku, status, problem) in [("mug", 404, "not-found"), ("a%20b", 422, "unprocessable")] {
        let refused = shop.put_in(sku, 1).await;
        assert_eq!((refused.status, refused.problem()), (status, problem), "{sku}");
    }
    assert_eq!(shop.as_customer("bob").put_in("mug", 1).await.status, 404);
    assert_eq!(world.count("SELECT count(*) FROM carts").await, 1, "what is refused makes no cart");

    // Fifty at once, from fifty tabs: none is lost, and the fifty-first does not fit.
    let all = join_all((1..51).map(|n| {
        let shop = shop.clone();
        async move { shop.put_in(&format!("sku-{n}"), 2).await }
    }))
    .await;
    let full: Vec<&Answer> = all.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!(full.len(), 1);
    assert_eq!((full[0].status, full[0].problem()), (409, "cart-full"));
    assert_eq!(shop.cart().await.len(), 50);
    assert_eq!(shop.put_in("sku-0", 5).await.status, 200, "more of what is in it fits");
    world.finish().await;
}

#[tokio::test]
async fn two_tabs_that_change_one_cart_never_lose_an_item() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    for n in 0..8 {
        shop.stock(&format!("sku-{n}"), 1).await;
    }
    assert_eq!(shop.put_in("sku-7", 1).await.status, 200);
    let tab = async |first: usize| {
        for n in (first..7).step_by(2) {
            shop.put_in(&format!("sku-{n}"), 1).await;
            shop.put_in(&format!("sku-{n}"), 2).await;
            shop.delete(&format!("/v1/cart/items/sku-{n}")).await;
            shop.put_in(&format!("sku-{n}"), 3).await;
        }
    };
    tokio::join!(tab(0), tab(1), async { shop.delete("/v1/cart/items/sku-7").await });
    let mut cart = shop.cart().await;
    cart.sort();
    let expected: Vec<(String, i64)> = (0..7).map(|n| (format!("sku-{n}"), 3)).collect();
    assert_eq!(cart, expected);

    // Both put more of one thing in.
    let one = json!({"quantity": 1});
    let added = join_all((0..6).map(|_| shop.post("/v1/cart/items/sku-7", &one))).await;
    assert!(added.iter().all(|answer| answer.status == 200), "{added:?}");
    assert!(shop.cart().await.contains(&("sku-7".to_owned(), 6)));
    let too_many = shop.post("/v1/cart/items/sku-7", &json!({"quantity": 995})).await;
    assert_eq!(too_many.status, 422, "{too_many:?}");
    world.finish().await;
}

#[tokio::test]
async fn carts_that_nobody_uses_are_removed_a_guests_earlier_than_a_customers() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    let (idle, used) = (Guest::new(&shop).await, Guest::new(&shop).await);
    idle.put_in("mug", 1).await;
    used.put_in("mug", 1).await;
    for customer in ["idle", "used", "alice"] {
        shop.as_customer(customer).put_in("mug", 1).await;
    }
    shop.as_customer("idle")
        .send(
            shop.as_customer("idle")
                .request(Method::POST, "/v1/cart/checkout")
                .header("Idempotency-Key", "k")
                .json(&json!({})),
        )
        .await;
    world.execute("UPDATE carts SET touched_at = now() - interval '20 days'").await;
    world
        .execute(
            "UPDATE carts SET touched_at = now() - interval '100 days' WHERE customer_id IN ('idle', 'used')",
        )
        .await;
    // Whoever looks at a cart uses it.
    assert_eq!((used.cart().await.len(), shop.as_customer("used").cart().await.len()), (1, 1));
    world.start_workers(Pool::Sweep);
    eventually("idle carts are removed", async || {
        (world.count("SELECT count(*) FROM carts").await == 3).then_some(())
    })
    .await;
    assert_eq!((idle.cart().await, used.cart().await), (vec![], items(&[("mug", 1)])));
    assert_eq!((shop.as_customer("idle").cart().await, shop.cart().await), (vec![], items(&[("mug", 1)])));
    assert_eq!(world.count("SELECT count(*) FROM cart_items").await, 3);
    assert_eq!(world.count("SELECT count(*) FROM cart_checkouts").await, 0);
    world.finish().await;
}
