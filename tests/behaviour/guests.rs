//! Guests: who has a cart and no token, and is known by a secret alone.

use futures_util::future::join_all;
use holdfast_workers::pools::Pool;
use reqwest::Method;
use serde_json::json;

use crate::support::cart::{Guest, in_cart, items};
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::world::World;

#[tokio::test]
async fn a_guest_has_a_cart_that_nobody_else_sees_and_that_becomes_the_customers_once() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    for sku in ["mug", "tee", "pen"] {
        shop.stock(sku, 2_000).await;
    }
    let (guest, other) = (Guest::new(&shop).await, Guest::new(&shop).await);
    assert_eq!(guest.cart().await, []);
    assert_eq!(
        world.count("SELECT count(*) FROM carts").await,
        0,
        "a guest costs no row before the first item"
    );
    assert_eq!(in_cart(&guest.put_in("mug", 2).await), items(&[("mug", 2)]));
    guest.put_in("tee", 600).await;
    guest.put_in("pen", 1).await;
    assert_eq!(
        in_cart(&guest.call(Method::DELETE, "/v1/cart/items/pen", None).await),
        items(&[("mug", 2), ("tee", 600)])
    );
    assert_eq!(other.cart().await, []);
    assert_ne!(guest.secret, other.secret);
    let made_up = Guest::new(&shop).await.showing("hfg_00");
    assert_eq!(made_up.call(Method::GET, "/v1/cart", None).await.problem(), "bad-header");
    // A shop may act for a guest, from whatever address its own server calls.
    assert_eq!(guest.by_shop().await, items(&[("mug", 2), ("tee", 600)]));

    let refused = guest.call(Method::POST, "/v1/cart/checkout", Some(json!({}))).await;
    assert_eq!((refused.status, refused.problem()), (401, "sign-in-first"));
    for (method, path) in
        [(Method::GET, "/v1/wallet"), (Method::POST, "/v1/cart/merge"), (Method::POST, "/v1/orders")]
    {
        assert_eq!(guest.call(method, path, Some(json!({}))).await.status, 401, "{path}");
    }

    shop.put_in("tee", 500).await;
    let merged = guest.merge_into(&shop).await;
    assert_eq!(in_cart(&merged), items(&[("mug", 2), ("tee", 1_000)]));
    assert_eq!(merged.body["left_out"], json!([{"sku": "tee", "quantity": 100}]));
    // What does not fit stays the guest's, and nothing is moved twice.
    for _ in 0..2 {
        let again = guest.merge_into(&shop).await;
        assert_eq!((in_cart(&again), &again.body["left_out"]), (in_cart(&merged), &merged.body["left_out"]));
    }
    assert_eq!(guest.cart().await, items(&[("tee", 100)]));
    // Once there is room it is moved too, and the guest's cart is gone.
    shop.put_in("tee", 950).await;
    let more = guest.merge_into(&shop).await;
    assert_eq!((in_cart(&more), guest.cart().await), (in_cart(&merged), items(&[("tee", 50)])));
    shop.delete("/v1/cart/items/tee").await;
    let rest = guest.merge_into(&shop).await;
    assert_eq!((in_cart(&rest), &rest.body["left_out"]), (items(&[("mug", 2), ("tee", 50)]), &json!([])));
    for _ in 0..2 {
        assert_eq!(in_cart(&guest.merge_into(&shop).await), items(&[("mug", 2), ("tee", 50)]));
    }
    assert_eq!(guest.cart().await, []);
    assert_eq!(world.count("SELECT count(*) FROM carts WHERE guest_hash IS NOT NULL").await, 0);
    assert_eq!(shop.post("/v1/cart/merge", &json!({})).await.problem(), "bad-header");
    // Of many who move one guest's cart at once, one gets it.
    other.put_in("pen", 1).await;
    let customers: Vec<Client> = (0..6).map(|n| shop.as_customer(&format!("customer-{n}"))).collect();
    join_all(customers.iter().map(|customer| other.merge_into(customer))).await;
    let carts = join_all(customers.iter().map(Client::cart)).await;
    assert_eq!(carts.concat(), items(&[("pen", 1)]));
    world.finish().await;
}

#[tokio::test]
async fn guests_of_one_address_begin_few_carts_and_keep_no_customer_out() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    let mut limited = None;
    for _ in 0..70 {
        let guest = Guest::new(&shop).await;
        let answer = guest.put_in("mug", 1).await;
        if answer.status != 200 {
            limited = Some((guest, answer));
            break;
        }
    }
    let (guest, answer) = limited.expect("nobody was told to wait");
    answer.asks_to_wait("too-many-guests");
    assert!(world.count("SELECT count(*) FROM carts").await <= 70);
    assert_eq!(guest.cart().await, [], "looking at a cart makes none");
    assert_eq!(shop.put_in("mug", 1).await.status, 200);
    // A shop's own server calls for all its guests from one address.
    assert_eq!(guest.put_in_by_shop("mug", 1).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn of_carts_that_strangers_began_no_more_are_kept_than_there_may_be_and_a_shops_are_left_alone() {
    let world = World::told(&[("HOLDFAST_GUEST_CARTS", "3")]).await;
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    let mut guests = vec![];
    for n in 0..8 {
        let guest = Guest::new(&shop).await;
        // A shop vouches for the first; the next were used longest ago.
        let put = if n < 2 { guest.put_in_by_shop("mug", 1).await } else { guest.put_in("mug", 1).await };
        assert_eq!(in_cart(&put), items(&[("mug", 1)]));
        guests.push(guest);
        world.execute("UPDATE carts SET touched_at = touched_at - interval '3 hours'").await;
    }
    shop.put_in("mug", 1).await;
    world.start_workers(Pool::Sweep);
    eventually("what is too much is removed", async || {
        (world.count("SELECT count(*) FROM carts").await == 6).then_some(())
    })
    .await;
    let mut left = vec![];
    for guest in &guests {
        left.push(guest.cart().await.len());
    }
    assert_eq!((left, shop.cart().await.len()), (vec![1, 1, 0, 0, 0, 1, 1, 1], 1));
    world.finish().await;
}
