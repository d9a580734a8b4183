//! How tokens and sessions are looked up: one look-up of each at once, and what is slow or unknown keeps nobody else out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdfast::store::operators::tokens::{self, Role};
use reqwest::Method;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::browser::Browser;
use crate::support::client::Client;
use crate::support::crowd::look_in_vain;
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

/// The status of a read that is made for this address.
async fn read_for(address: &str, shop: &Client, token: &str) -> u16 {
    let request = shop.with_token(token).request(Method::GET, "/v1/wallet");
    shop.send(request.header("X-Forwarded-For", address)).await.status
}

#[tokio::test]
async fn a_pool_that_is_slow_keeps_no_good_token_out_of_the_others() {
    let world = World::told(&[
        // One of them for the catalogue, two for buyers.
        ("HOLDFAST_DATABASE_CONNECTIONS", "4"),
        ("HOLDFAST_FAILED_AUTHENTICATIONS_PER_MINUTE_PER_ADDRESS", "100000"),
    ])
    .await;
    let (_api, shop) = Process::api(&world).await;
    assert_eq!(shop.get("/v1/skus/mug").await.status, 404);
    let mut locked = world.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE skus").execute(&mut *locked).await.unwrap();
    let (mut crowd, answers) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for n in 0..50 {
        let (shop, answers) = (shop.clone(), answers.clone());
        crowd.spawn(async move {
            loop {
                let token = if n < 5 { shop.token.clone() } else { tokens::new_token() };
                shop.with_token(&token).get("/v1/skus/mug").await;
                answers.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    eventually("a stranger has waited in vain", async || {
        (shop.with_token(&tokens::new_token()).get("/v1/skus/mug").await.status == 503).then_some(())
    })
    .await;
    // Whoever stands behind the crowd comes in only after some of it were answered, however fast the machine is.
    for _ in 0..3 {
        eventually("a newcomer is let in while all of the crowd wait", async || {
            let newcomer = shop.with_token(&world.token(Role::Shop, None).await);
            let before = answers.load(Ordering::SeqCst);
            let is_in = newcomer.get("/v1/wallet").await.status == 200;
            (is_in && answers.load(Ordering::SeqCst) == before).then_some(())
        })
        .await;
    }
    drop(crowd);
    locked.rollback().await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn guests_of_many_addresses_make_no_unknown_token_wait() {
    let world = World::told(&[
        // Eight of them for lists and carts.
        ("HOLDFAST_DATABASE_CONNECTIONS", "32"),
        ("HOLDFAST_TRUSTED_PROXIES", "127.0.0.1/32"),
        ("HOLDFAST_GUEST_CALLS_PER_MINUTE_PER_ADDRESS", "0"),
    ])
    .await;
    let (_api, shop) = Process::api(&world).await;
    let mut locked = world.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE carts").execute(&mut *locked).await.unwrap();
    let (mut crowd, answers) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for n in 0..60 {
        let (url, answers) = (format!("{}/v1/cart", shop.base), answers.clone());
        let (http, guest) = (reqwest::Client::new(), format!("hfg_{n:064x}"));
        crowd.spawn(async move {
            loop {
                let request = http.get(&url).header("Holdfast-Guest", &guest);
                request.header("X-Forwarded-For", format!("203.0.113.{n}")).send().await.unwrap();
                answers.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    eventually("guests wait in vain", async || (answers.load(Ordering::SeqCst) > 0).then_some(())).await;
    for _ in 0..3 {
        eventually("a newcomer is let in while all guests wait", async || {
            let newcomer = shop.with_token(&world.token(Role::Shop, None).await);
            let before = answers.load(Ordering::SeqCst);
            let is_in = newcomer.get("/v1/products").await.status == 200;
            (is_in && answers.load(Ordering::SeqCst) == before).then_some(())
        })
        .await;
    }
    drop(crowd);
    locked.rollback().await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn one_token_is_looked_up_once_however_many_show_it_at_once() {
    let world = World::told(&[("HOLDFAST_TOKEN_REMEMBERED_SECONDS", "1")]).await;
    let (_api, shop) = Process::api(&world).await;
    assert_eq!(shop.get("/v1/wallet").await.status, 200);
    let mut locked = world.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE tokens").execute(&mut *locked).await.unwrap();
    // The token is remembered for so long.
    sleep(Duration::from_millis(1_200)).await;
    let looks = look_in_vain(&world, &shop, "/v1/wallet", "tokens").await;
    assert_eq!(looks, 1, "looks at once");
    locked.rollback().await.unwrap();
    eventually("it is known again", async || (shop.get("/v1/wallet").await.status == 200).then_some(()))
        .await;
    world.finish().await;
}

#[tokio::test]
async fn one_site_of_ipv6_has_no_tries_without_end() {
    let world = World::told(&[
        ("HOLDFAST_TRUSTED_PROXIES", "127.0.0.1/32"),
        ("HOLDFAST_FAILED_AUTHENTICATIONS_PER_MINUTE_PER_ADDRESS", "2"),
    ])
    .await;
    let (_api, shop) = Process::api(&world).await;
    let mut tries = 0;
    while read_for(&format!("2001:db8:1:{tries:x}::1"), &shop, &tokens::new_token()).await != 429 {
        tries += 1;
        assert!(tries < 500, "65,536 networks of one site have tries of their own");
    }
    assert_eq!(read_for("2001:db8:2::1", &shop, &tokens::new_token()).await, 401);
    world.finish().await;
}

#[tokio::test]
async fn no_limit_keeps_an_operator_from_ending_a_session() {
    let world = World::told(&[]).await;
    let (_here, shop) = Process::api(&world).await;
    let session = Browser::at(&shop.base).sign_in(&world.token(Role::Operator, None).await).await;
    // Here nobody has seen the session.
    let (_there, elsewhere) = Process::api(&world).await;
    eventually("strangers are out of tries", async || {
        (elsewhere.with_token(&tokens::new_token()).get("/v1/wallet").await.status == 429).then_some(())
    })
    .await;
    let out = Browser::at(&elsewhere.base).submit("/ops/sign-out", &[], &session).await;
    assert_eq!(out.status(), 303);
    assert_eq!(world.count("SELECT count(*) FROM sessions").await, 0);
    world.finish().await;
}
