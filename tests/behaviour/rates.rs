//! How often one caller may ask: with tokens that are none, and for orders.

use std::time::Duration;

use holdfast::store::operators::tokens::{self, Role};
use reqwest::Method;
use tokio::time::sleep;

use crate::support::browser::Browser;
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

#[tokio::test]
async fn tokens_that_are_none_are_not_each_looked_up_and_keep_nobody_else_out() {
    let world = World::told(&[]).await;
    let (api, shop) = Process::api(&world).await;
    assert_eq!(shop.get("/v1/wallet").await.status, 200);
    let before = world.transactions().await;
    let mut statuses = vec![];
    for n in 0..400 {
        let answer = shop.with_token(&tokens::new_token()).get("/v1/wallet").await;
        if answer.status == 429 {
            answer.asks_to_wait("too-many-failures");
        }
        statuses.push(answer.status);
        if n % 100 == 0 {
            assert_eq!(shop.get("/v1/skus/mug").await.status, 404);
        }
    }
    // The same one again and again costs no look-up at all.
    let known_as_none = shop.with_token("made-up");
    for _ in 0..100 {
        assert!([401, 429].contains(&known_as_none.get("/v1/wallet").await.status));
    }
    let asked = world.transactions().await - before;
    assert!(statuses.contains(&401) && statuses.contains(&429), "{statuses:?}");
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
    // Reports of the program, looks at its readiness and the test's own are among them.
    assert!(asked < 300, "{asked} transactions for 500 tokens that are none");
    let log = eventually("failures are logged", async || {
        let log = api.log();
        log.contains("failed authentications").then_some(log)
    })
    .await;
    assert!(!log.contains("made-up") && log.matches("failed authentications").count() < 10, "{log}");
    let metrics = shop.metrics().await;
    assert!(metrics.contains("holdfast_failed_authentications_total{by=\"token\"}"), "{metrics}");
    world.finish().await;
}

#[tokio::test]
async fn a_token_that_was_good_a_while_ago_is_asked_about_whatever_strangers_do() {
    let world = World::told(&[("HOLDFAST_TOKEN_REMEMBERED_SECONDS", "1")]).await;
    let (_api, shop) = Process::api(&world).await;
    assert_eq!(shop.get("/v1/wallet").await.status, 200);
    let stranger = async || shop.with_token(&tokens::new_token()).get("/v1/wallet").await.status;
    let out_of_tries = async || (stranger().await == 429).then_some(());
    eventually("strangers are out of tries", out_of_tries).await;
    // The program has forgotten by then who the shop is, though not that it was good.
    sleep(Duration::from_millis(1_200)).await;
    for _ in 0..3 {
        eventually("strangers are out of tries", out_of_tries).await;
        assert_eq!(shop.get("/v1/wallet").await.status, 200);
    }
    world.finish().await;
}

#[tokio::test]
async fn failures_are_counted_by_the_address_that_a_trusted_proxy_names_and_by_no_other_word() {
    let failing = async |shop: &Client, forwarded: &str| {
        let request = shop.with_token(&tokens::new_token()).request(Method::GET, "/v1/wallet");
        shop.send(request.header("X-Forwarded-For", forwarded.as_bytes())).await.status
    };
    for (proxies, made_up_counts) in [("", false), ("127.0.0.1/32", true)] {
        let world = World::told(&[("HOLDFAST_TRUSTED_PROXIES", proxies)]).await;
        let (_api, shop) = Process::api(&world).await;
        eventually("one client is out of tries", async || {
            (failing(&shop, "203.0.113.7").await == 429).then_some(())
        })
        .await;
        // What a client writes itself comes before what the proxy adds.
        for (made_up, named) in [("203.0.113.99", "203.0.113.8"), ("\u{e9}", "203.0.113.9")] {
            let status = failing(&shop, &format!("{made_up}, {named}")).await;
            assert_eq!(status == 401, made_up_counts, "{proxies}: {made_up}: {status}");
        }
        world.finish().await;
    }
}

#[tokio::test]
async fn failed_sign_ins_are_counted_and_bounded() {
    let world = World::told(&[]).await;
    let (api, shop) = Process::api(&world).await;
    let browser = Browser::at(&shop.base);
    let mut statuses = vec![];
    for n in 0..200 {
        statuses.push(browser.try_sign_in(&format!("guess-{n}")).await.status().as_u16());
    }
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    let metrics = shop.metrics().await;
    assert!(metrics.contains("holdfast_failed_authentications_total{by=\"sign_in\"}"), "{metrics}");
    let log = eventually("failures are logged", async || {
        let log = api.log();
        log.contains("failed authentications").then_some(log)
    })
    .await;
    assert!(!log.contains("guess-"), "{log}");
    world.finish().await;
}

#[tokio::test]
async fn made_up_sessions_are_not_each_looked_up_and_keep_no_operator_out() {
    let world = World::told(&[]).await;
    let (_api, shop) = Process::api(&world).await;
    let token = world.token(Role::Operator, None).await;
    let browser = Browser::at(&shop.base);
    let session = browser.sign_in(&token).await;
    let visit = async |cookie: &str| browser.get("/ops/actions", &[("Cookie", cookie)]).await;
    assert_eq!(visit(&session).await.status(), 200);
    let before = world.transactions().await;
    let mut told_to_wait = 0;
    for n in 0..300 {
        let page = visit(&format!("holdfast=made-up-{n}")).await;
        if page.status() == 429 {
            assert!(page.headers().contains_key("retry-after"), "{page:?}");
            told_to_wait += 1;
            continue;
        }
        assert_eq!(page.status(), 303, "{page:?}");
        // What is no session needs no end.
        let out = browser.submit("/ops/sign-out", &[], &format!("holdfast=made-up-{n}")).await;
        assert_eq!(out.status(), 303);
    }
    assert!(told_to_wait > 0);
    let asked = world.transactions().await - before;
    assert!(asked < 200, "{asked} transactions for 300 sessions that are none");
    assert_eq!(visit(&session).await.status(), 200);
    world.finish().await;
}

#[tokio::test]
async fn one_customer_gives_so_many_commands_a_second_and_no_other_is_kept_out_by_it() {
    let world = World::told(&[("HOLDFAST_COMMANDS_PER_SECOND_PER_CUSTOMER", "1")]).await;
    let (_api, shop) = Process::api(&world).await;
    let mut placed = 0;
    let refused = loop {
        let answer = shop.place_async(&format!("key-{placed}"), "mug", 1, 60).await;
        if answer.status != 202 {
            break answer;
        }
        placed += 1;
        assert!(placed < 100, "nobody is told to wait");
    };
    refused.asks_to_wait("too-many-commands");
    assert_eq!(shop.as_customer("bob").place_async("key", "mug", 1, 60).await.status, 202);
    assert_eq!(shop.get("/v1/wallet").await.status, 200);
    eventually("there is room again", async || {
        (shop.place_async("later", "mug", 1, 60).await.status == 202).then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn one_token_gives_so_many_commands_a_second_whomever_it_names() {
    let world = World::told(&[("HOLDFAST_COMMANDS_PER_SECOND_PER_TOKEN", "1")]).await;
    let (_api, shop) = Process::api(&world).await;
    let mut placed = 0;
    let refused = loop {
        let shop = shop.as_customer(&format!("customer-{placed}"));
        let answer = shop.place_async("key", "mug", 1, 60).await;
        if answer.status != 202 {
            break answer;
        }
        placed += 1;
        assert!(placed < 100, "nobody is told to wait");
    };
    refused.asks_to_wait("too-many-commands");
    world.finish().await;
}

#[tokio::test]
async fn sign_ins_with_a_token_that_is_known_are_commands_of_it_and_not_each_looked_up() {
    let world = World::told(&[("HOLDFAST_COMMANDS_PER_SECOND_PER_TOKEN", "1")]).await;
    let (_api, shop) = Process::api(&world).await;
    let browser = Browser::at(&shop.base);
    let viewer = world.token(Role::Viewer, None).await;
    let mut signed_in = 0;
    while browser.try_sign_in(&viewer).await.status() == 303 {
        signed_in += 1;
        assert!(signed_in < 100, "nobody is told to wait");
    }
    assert_eq!(browser.try_sign_in(&viewer).await.status(), 429);
    let before = world.transactions().await;
    for _ in 0..200 {
        // Known, and nobody's who has a console.
        assert_eq!(browser.try_sign_in(&shop.token).await.status(), 200);
    }
    let asked = world.transactions().await - before;
    assert!(asked < 150, "{asked} transactions for 200 sign-ins with one token");
    world.finish().await;
}

#[tokio::test]
async fn changes_by_session_are_commands_of_its_token_and_no_limit_keeps_anybody_from_revoking_one() {
    let world = World::told(&[("HOLDFAST_COMMANDS_PER_SECOND_PER_TOKEN", "1")]).await;
    let (_api, shop) = Process::api(&world).await;
    let browser = Browser::at(&shop.base);
    let admin = shop.with_token(&world.token(Role::Admin, None).await);
    let session = browser.sign_in(&admin.token).await;
    let until_told_to_wait = async || {
        let mut given = 0;
        while browser.submit("/ops/pools/none/resume", &[("reason", "x")], &session).await.status() != 429 {
            given += 1;
            assert!(given < 100, "nobody is told to wait");
        }
    };
    let live = "SELECT count(*) FROM tokens WHERE name = 'stolen' AND revoked_at IS NULL";
    world.named_token("stolen", Role::Operator).await;
    until_told_to_wait().await;
    let revoked = browser.submit("/ops/tokens/revoke", &[("name", "stolen")], &session).await;
    assert_eq!((revoked.status().as_u16(), world.count(live).await), (303, 0));

    world.named_token("stolen", Role::Operator).await;
    until_told_to_wait().await;
    let revoked = admin.send(admin.request(Method::POST, "/v1/ops/tokens/stolen/revoke")).await;
    assert_eq!((revoked.status, world.count(live).await), (204, 0));
    world.finish().await;
}

#[tokio::test]
async fn refusals_that_leave_rows_are_bounded_apart_from_orders_that_are_held() {
    let mut world = World::told(&[("HOLDFAST_REFUSALS_PER_MINUTE_PER_CUSTOMER", "5")]).await;
    world.limits.max_live_holds = 100;
    world.start_all_workers();
    let (api, shop) = Process::api(&world).await;
    api.until_logged("listening to events").await;
    shop.stock("mug", 100).await;
    for _ in 0..20 {
        assert_eq!(shop.place("mug", 1, 60).await.status, 201);
    }
    let mut refused = 0;
    let told = loop {
        let answer = shop.place("no-such", 1, 60).await;
        if answer.status != 409 {
            break answer;
        }
        refused += 1;
        assert!(refused < 100, "nobody is told to wait");
    };
    told.asks_to_wait("too-many-refusals");
    assert_eq!(shop.as_customer("bob").place("mug", 1, 60).await.status, 201);
    world.finish().await;
}

#[tokio::test]
async fn refused_orders_count_whether_or_not_anybody_waits_for_them_and_in_every_process() {
    let world = World::told(&[("HOLDFAST_REFUSALS_PER_MINUTE_PER_CUSTOMER", "5")]).await;
    world.start_all_workers();
    let (_here, shop) = Process::api(&world).await;
    let (there, elsewhere) = Process::api(&world).await;
    there.until_logged("listening to events").await;
    // The last of them may hear of the first refusals already.
    for n in 0..10 {
        let status = shop.place_async(&format!("key-{n}"), "no-such", 1, 60).await.status;
        assert!(status == 202 || status == 429 && n >= 5, "{n}: {status}");
    }
    // The bucket fills up again, so each process may let one more through now and then.
    let told = eventually("who was refused too often waits", async || {
        let answer = elsewhere.place_async("another", "no-such", 1, 60).await;
        (answer.status != 202).then_some(answer)
    })
    .await;
    told.asks_to_wait("too-many-refusals");
    // What was held or refused before can still be read, and others order as ever.
    assert_eq!(elsewhere.get("/v1/orders").await.status, 200);
    assert_eq!(elsewhere.as_customer("bob").place_async("key", "no-such", 1, 60).await.status, 202);
    world.finish().await;
}
