//! Tokens, roles, and the customer a request is for.

use holdfast::store::operators::tokens::{self, Role};
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::json;

use crate::support::client::{Answer, Client};
use crate::support::world::World;

/// A wallet's balance asked for with exactly this `Authorization`.
async fn authorized(shop: &Client, value: Option<&[u8]>) -> Answer {
    let mut request = reqwest::Client::new().get(format!("{}/v1/wallet", shop.base));
    request = request.header("Holdfast-Customer", "alice");
    if let Some(value) = value {
        request = request.header("Authorization", HeaderValue::from_bytes(value).unwrap());
    }
    shop.send(request).await
}

#[tokio::test]
async fn only_a_known_token_opens_the_door() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let good = format!("Bearer {}", shop.token);
    let lower = good.replace("Bearer", "bearer");
    for value in [&good, &lower] {
        assert_eq!(authorized(&shop, Some(value.as_bytes())).await.status, 200);
    }
    let wrong = format!("Bearer {}", tokens::new_token());
    let basic = format!("Basic {}", shop.token);
    let hash: String = tokens::hash(&shop.token).iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = format!("Bearer {hash}");
    let cut = &good[..good.len() - 1];
    for value in [
        None,
        Some(&b""[..]),
        Some(b"Bearer"),
        Some(b"Bearer "),
        Some(b"Bearer \xff"),
        Some(wrong.as_bytes()),
        Some(basic.as_bytes()),
        Some(shop.token.as_bytes()),
        Some(hash.as_bytes()),
        Some(cut.as_bytes()),
    ] {
        let refused = authorized(&shop, value).await;
        assert_eq!((refused.status, refused.problem()), (401, "unauthenticated"), "{value:?}");
        assert_eq!(refused.headers["www-authenticate"], "Bearer");
        assert!(!refused.body.to_string().contains(&shop.token));
    }
    world.finish().await;
}

#[tokio::test]
async fn a_revoked_token_is_refused() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    assert_eq!(shop.get("/v1/wallet").await.status, 200);
    world.execute("UPDATE tokens SET revoked_at = now()").await;
    // This process has seen the token within the last minute and is allowed to remember it; another has not.
    let elsewhere = world.start_api().await.with_token(&shop.token);
    let refused = elsewhere.get("/v1/wallet").await;
    assert_eq!((refused.status, refused.problem()), (401, "unauthenticated"));
    world.finish().await;
}

#[tokio::test]
async fn orders_and_wallets_are_for_shops_and_customers_only() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 5).await;
    shop.charge(1_000).await;
    let held = shop.place("mug", 1, 60).await;
    let order = format!("/v1/orders/{}", held.text("id"));
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let staff = shop.with_token(&world.token(role, None).await);
        let answers = [
            staff.place("mug", 1, 60).await,
            staff.charge(1).await,
            staff.pay(held.text("id")).await,
            staff.post(&format!("{order}/cancel"), &json!({})).await,
            staff.post(&format!("{order}/extend"), &json!({})).await,
        ];
        for refused in answers {
            assert_eq!((refused.status, refused.problem()), (403, "forbidden"), "{role:?}");
        }
    }
    assert_eq!(shop.order(held.text("id")).await.lasting(), held.lasting());
    assert_eq!(shop.get("/v1/wallet").await.body["balance_won"], 1_000);
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn a_customers_token_acts_for_that_customer_only() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 5).await;
    let token = world.token(Role::Customer, Some("alice")).await;
    let alice = shop.with_token(&token);
    // Nobody gives money to themselves; the shop vouches for it.
    assert_eq!(alice.charge(2_000).await.status, 403);
    assert_eq!(shop.charge(2_000).await.status, 201);
    let held = alice.place("mug", 1, 60).await;
    assert_eq!(held.status, 201);
    // A shop that acts for the same customer sees the same orders and the same wallet.
    assert_eq!(shop.order(held.text("id")).await.lasting(), held.lasting());

    // Without a name it is the token's own customer, under another name it is nobody.
    let unnamed = reqwest::Client::new().get(format!("{}/v1/wallet", shop.base)).bearer_auth(&token);
    assert_eq!(shop.send(unnamed).await.body["balance_won"], 2_000);
    let bob = alice.as_customer("bob");
    for refused in
        [bob.get("/v1/wallet").await, bob.order(held.text("id")).await, bob.place("mug", 1, 60).await]
    {
        assert_eq!((refused.status, refused.problem()), (403, "forbidden"));
    }
    world.finish().await;
}

#[tokio::test]
async fn a_shop_names_its_customer_and_names_have_a_form() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let named = |name: Option<Vec<u8>>| {
        let mut request = reqwest::Client::new().request(Method::GET, format!("{}/v1/wallet", shop.base));
        if let Some(name) = name {
            request = request.header("Holdfast-Customer", HeaderValue::from_bytes(&name).unwrap());
        }
        shop.send(request.bearer_auth(&shop.token))
    };
    for good in
        ["a", "alice@example.com", &"x".repeat(64), "'; DROP TABLE wallets; --".replace(' ', "_").as_str()]
    {
        assert_eq!(named(Some(good.as_bytes().to_vec())).await.status, 200, "{good}");
    }
    let bad = [
        None,
        Some(vec![]),
        Some(b"a b".to_vec()),
        Some(b"a\tb".to_vec()),
        Some(vec![b'x'; 65]),
        Some("앨리스".into()),
        Some(vec![0xe9]),
    ];
    for name in bad {
        let refused = named(name.clone()).await;
        assert_eq!((refused.status, refused.problem()), (400, "bad-header"), "{name:?}");
    }
    // Names that differ in case are two customers.
    assert_eq!(shop.as_customer("Alice").charge(5).await.status, 201);
    assert_eq!(shop.as_customer("alice").get("/v1/wallet").await.body["balance_won"], 0);
    world.finish().await;
}
