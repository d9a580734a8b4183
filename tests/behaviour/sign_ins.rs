//! Customers who sign in at the shop by themselves, by a link that is mailed to them.

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::domain::contact::EmailAddress;
use holdfast::effects::settings::MailSettings;
use holdfast::http::jwt_keys::HandOverSettings;
use holdfast::http::sign_in_link::{LinkSigner, SignInLink};
use holdfast::http::sign_ins::SignInSettings;
use holdfast_workers::pools::Pool;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::{Answer, Client};
use crate::support::eventually;
use crate::support::mailbox::{Mailbox, link_in};
use crate::support::processes::Process;
use crate::support::world::World;

const SECRET: &str = "a secret of thirty-two characters and more";
const SHOP: &str = "https://shop.example.com";
const FROM: &str = "The shop <shop@example.com>";

/// A link to this address, as an API with our secret would mail it.
fn link_to(email: &str, expires_at: DateTime<Utc>) -> String {
    let signer = LinkSigner::new(&SECRET.to_owned().into()).unwrap();
    let email = EmailAddress::parse(email).unwrap();
    signer.sign(&SignInLink { email, expires_at, id: Uuid::new_v4(), next: None })
}

/// The time of the database, and so much.
async fn in_seconds(world: &World, seconds: i64) -> DateTime<Utc> {
    let now: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(&world.pool).await.unwrap();
    now + TimeDelta::seconds(seconds)
}

/// A world whose API mails links there.
async fn world_that_mails(mail_url: &str) -> (World, Client) {
    let mut world = World::idle().await;
    let settings = SignInSettings {
        mail: MailSettings { mail_url: Some(mail_url.parse().unwrap()), mail_from: Some(FROM.to_owned()) },
        sign_in_secret: Some(SECRET.to_owned().into()),
        handed_over: HandOverSettings::default(),
    };
    world.sign_ins = settings.open(Some(SHOP)).unwrap();
    let shop = world.start_api().await;
    (world, shop)
}

/// A call without a token.
async fn post(shop: &Client, path: &str, body: &Value) -> Answer {
    shop.send(reqwest::Client::new().post(format!("{}{path}", shop.base)).json(body)).await
}

async fn ask(shop: &Client, body: &Value) -> Answer {
    post(shop, "/v1/sign-ins", body).await
}

async fn follow(shop: &Client, link: &str) -> Answer {
    post(shop, "/v1/sessions", &json!({"link": link})).await
}

/// The customer who has signed in.
fn signed_in(shop: &Client, session: &Answer) -> Client {
    assert_eq!(session.status, 201, "{session:?}");
    shop.as_customer(session.text("customer_id")).with_token(session.text("token"))
}

async fn sign_out(customer: &Client) -> Answer {
    customer.send(customer.request(Method::DELETE, "/v1/sessions/current")).await
}

#[tokio::test]
async fn whoever_gets_the_mail_signs_in_once_and_is_the_customer_of_that_address_from_then_on() {
    let mailbox = Mailbox::new();
    let (world, shop) = world_that_mails(&mailbox.url()).await;
    let next = format!("/shop/products?q={}", "%EA%B0%80".repeat(60));
    let asked = ask(&shop, &json!({"email": "Alice@Example.com", "language": "en", "next": next})).await;
    assert_eq!((asked.status, &asked.body), (202, &json!({})));
    assert_eq!(asked.headers["cache-control"], "no-store");
    let (headers, text) = mailbox.take();
    assert!(
        headers.contains("To: alice@example.com") && headers.contains("Your link to sign in"),
        "{headers}"
    );
    assert!(
        text.contains(&format!("sign in at {SHOP} as alice@example.com")) && text.contains("ignore"),
        "{text}"
    );
    let rows = "SELECT (SELECT count(*) FROM spent_sign_ins) + (SELECT count(*) FROM customer_addresses)";
    assert_eq!(world.count(rows).await, 0, "asking writes nothing");

    let link = link_in(&text);
    let session = follow(&shop, &link).await;
    assert_eq!(session.headers["cache-control"], "no-store");
    assert!(session.text("token").starts_with("hf_") && session.text("customer_id").starts_with("c-"));
    assert_eq!(session.text("next"), next);
    let ends: DateTime<Utc> = session.text("expires_at").parse().unwrap();
    let days = in_seconds(&world, 30 * 86_400).await;
    assert!(ends <= days && ends > days - TimeDelta::hours(1), "{ends}");
    let used = follow(&shop, &link).await;
    assert_eq!((used.status, used.problem()), (401, "sign-in-invalid"));

    // The token is that of a customer everywhere: in what is theirs, and in nothing of others.
    let alice = signed_in(&shop, &session);
    let customer = alice.get("/v1/customer").await;
    assert_eq!((customer.status, customer.text("email")), (200, "alice@example.com"));
    assert_eq!(alice.get("/v1/cart").await.status, 200);
    assert_eq!(alice.as_customer("bob").get("/v1/wallet").await.status, 403);
    assert_eq!(alice.get("/v1/ops/actions").await.status, 403);

    // The next link leads to the same customer, in Korean unless one asks for another language; and what a customer writes as
    // their address makes them nobody else.
    let mallory = shop.as_customer("mallory");
    mallory.put("/v1/customer", &json!({"email": "carol@example.com"})).await;
    for (email, is_alice) in [("alice@example.com", true), ("carol@example.com", false)] {
        assert_eq!(ask(&shop, &json!({"email": email})).await.status, 202);
        let (_, text) = mailbox.take();
        assert!(text.contains("로그인") && text.contains(email) && text.contains("무시"), "{text}");
        let again = follow(&shop, &link_in(&text)).await;
        assert_eq!((again.status, again.body.get("next")), (201, None));
        assert_eq!(again.text("customer_id") == session.text("customer_id"), is_alice);
        assert_ne!(again.text("customer_id"), "mallory");
    }
    // Whoever wants no mails gets none by signing in.
    assert_eq!(alice.put("/v1/customer", &json!({"email": null})).await.status, 200);
    signed_in(&shop, &follow(&shop, &link_to("alice@example.com", in_seconds(&world, 60).await)).await);
    assert_eq!(alice.get("/v1/customer").await.body["email"], Value::Null);
    world.finish().await;
}

#[tokio::test]
async fn a_link_that_is_forged_or_over_signs_nobody_in_and_sessions_end() {
    let mailbox = Mailbox::new();
    let (world, shop) = world_that_mails(&mailbox.url()).await;
    let soon = in_seconds(&world, 600).await;
    let good = link_to("alice@example.com", soon);
    let (said, signature) = good.split_once('.').unwrap();
    let other = link_to("bob@example.com", soon);
    for bad in [
        link_to("alice@example.com", in_seconds(&world, -1).await),
        format!("{}.{signature}", other.split_once('.').unwrap().0),
        format!("{said}."),
        said.to_owned(),
        String::new(),
    ] {
        let refused = follow(&shop, &bad).await;
        assert_eq!((refused.status, refused.problem()), (401, "sign-in-invalid"), "{bad}");
    }
    assert_eq!(world.count("SELECT count(*) FROM customer_sessions").await, 0);
    // Of two who follow one link at once, one is signed in.
    let both = futures_util::join!(follow(&shop, &good), follow(&shop, &good));
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 401]);
    let first = signed_in(&shop, if both.0.status == 201 { &both.0 } else { &both.1 });
    assert_eq!(first.get("/v1/wallet").await.status, 200);

    // Out: at once, and once more does no harm. A token that somebody made is revoked by whoever made it.
    assert_eq!(sign_out(&first).await.status, 204);
    assert_eq!(first.get("/v1/wallet").await.status, 401);
    let refused = sign_out(&shop).await;
    assert_eq!((refused.status, refused.problem()), (403, "forbidden"));
    assert_eq!(shop.get("/v1/wallet").await.status, 200);

    // Twenty go on; those that would end first give way.
    let mut sessions = vec![];
    for _ in 0..21 {
        sessions.push(signed_in(&shop, &follow(&shop, &link_to("alice@example.com", soon)).await));
    }
    assert_eq!(world.count("SELECT count(*) FROM customer_sessions").await, 20);
    assert_eq!(sessions[0].get("/v1/wallet").await.status, 401);
    assert_eq!(sessions[1].get("/v1/wallet").await.status, 200);
    // One that is over is refused, and removed as what was spent is.
    world.execute("UPDATE customer_sessions SET expires_at = now() - interval '1 s'").await;
    world.execute("UPDATE spent_sign_ins SET expires_at = now() - interval '1 s'").await;
    assert_eq!(sessions[2].get("/v1/wallet").await.status, 401);
    world.start_workers(Pool::Sweep);
    eventually("old rows are removed", async || {
        let rows = "SELECT (SELECT count(*) FROM spent_sign_ins) + (SELECT count(*) FROM customer_sessions)";
        (world.count(rows).await == 0).then_some(())
    })
    .await;
    assert!(mailbox.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn what_is_no_address_or_leads_elsewhere_is_refused_and_one_address_gets_few_links() {
    let mailbox = Mailbox::new();
    let (world, shop) = world_that_mails(&mailbox.url()).await;
    for bad in [
        json!({"email": "alice"}),
        json!({"email": "alice@example.com\r\nBcc: bob@example.com"}),
        json!({"email": "alice@example.com", "language": "fr"}),
        json!({"email": "alice@example.com", "next": "https://evil.example/shop"}),
        json!({"email": "alice@example.com", "next": "/shop//evil.example"}),
        json!({"email": "alice@example.com", "next": "/ops"}),
        json!({"email": "alice@example.com", "more": 1}),
    ] {
        assert_eq!(ask(&shop, &bad).await.status, 422, "{bad}");
    }
    assert!(mailbox.is_empty());
    for _ in 0..3 {
        assert_eq!(ask(&shop, &json!({"email": "alice@example.com"})).await.status, 202);
        mailbox.take();
    }
    let refused = ask(&shop, &json!({"email": "ALICE@example.com"})).await;
    assert_eq!((refused.status, refused.problem()), (429, "too-many-sign-ins"));
    let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((61..=900).contains(&seconds), "{seconds}");
    assert_eq!(ask(&shop, &json!({"email": "bob@example.com"})).await.status, 202);
    // A token that is none is refused, though none is needed.
    let request = shop.with_token("made-up").request(Method::POST, "/v1/sign-ins");
    let bad = shop.send(request.json(&json!({"email": "carol@example.com"}))).await;
    assert_eq!(bad.status, 401);
    world.finish().await;

    // Nothing is counted where nothing can be sent.
    let (world, shop) = world_that_mails("smtp://127.0.0.1:9").await;
    for _ in 0..5 {
        let refused = ask(&shop, &json!({"email": "alice@example.com"})).await;
        assert_eq!((refused.status, refused.problem()), (503, "mail-unavailable"), "{refused:?}");
    }
    world.finish().await;
    let world = World::idle().await;
    let shop = world.start_api().await;
    let refused = ask(&shop, &json!({"email": "alice@example.com"})).await;
    assert_eq!((refused.status, refused.problem()), (503, "mail-unavailable"));
    assert_eq!(follow(&shop, "a-link").await.status, 401);
    world.finish().await;
}

#[tokio::test]
async fn strangers_are_counted_by_their_address_and_links_in_all() {
    let mailbox = Mailbox::new();
    let world = World::told(&[
        ("HOLDFAST_SIGN_IN_SECRET", SECRET),
        ("HOLDFAST_SHOP_URL", SHOP),
        ("HOLDFAST_MAIL_URL", &mailbox.url()),
        ("HOLDFAST_MAIL_FROM", FROM),
        ("HOLDFAST_SIGN_IN_LINKS_PER_MINUTE", "2"),
        ("HOLDFAST_GUEST_CALLS_PER_MINUTE_PER_ADDRESS", "6"),
    ])
    .await;
    let (_api, shop) = Process::api(&world).await;
    assert_eq!(ask(&shop, &json!({"email": "alice@example.com"})).await.status, 202);
    ask(&shop, &json!({"email": "bob@example.com"})).await.asks_to_wait("too-many-sign-ins");
    signed_in(&shop, &follow(&shop, &link_in(&mailbox.take().1)).await);
    let browse = async || shop.send(reqwest::Client::new().get(format!("{}/v1/products", shop.base))).await;
    eventually("a stranger browses too much", async || (browse().await.status == 429).then_some(())).await;
    browse().await.asks_to_wait("too-many-guests");
    ask(&shop, &json!({"email": "carol@example.com"})).await.asks_to_wait("too-many-guests");
    assert_eq!(shop.get("/v1/products").await.status, 200, "who shows a token is counted by that");
    world.finish().await;
}
