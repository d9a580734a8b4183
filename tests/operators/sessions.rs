//! Signing in to the console and out, and what a browser on another site cannot do.

use reqwest::StatusCode;
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};

use holdfast::store::operators::tokens::Role;

use crate::support::browser::Browser;
use crate::support::world::World;

#[tokio::test]
async fn a_session_lasts_until_its_owner_signs_out() {
    let world = World::idle().await;
    let browser = Browser::at(&world.start_api().await.base);
    let token = world.token(Role::Viewer, None).await;

    let stranger = browser.get("/ops/actions?actor=olga", &[]).await;
    assert_eq!(stranger.headers()[LOCATION], "/ops/sign-in?next=%2Fops%2Factions%3Factor%3Dolga");
    let signed_in = browser.try_sign_in(&token).await;
    assert_eq!(signed_in.status(), StatusCode::SEE_OTHER);
    assert_eq!(signed_in.headers()[LOCATION], "/ops/actions");
    let cookie = signed_in.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let page = browser.get("/ops/actions", &[(COOKIE.as_str(), cookie)]).await;
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");

    assert_eq!(browser.submit("/ops/sign-out", &[], cookie).await.status(), StatusCode::SEE_OTHER);
    let gone = browser.get("/ops/actions", &[(COOKIE.as_str(), cookie)]).await;
    assert_eq!(gone.status(), StatusCode::SEE_OTHER);
    world.finish().await;
}

#[tokio::test]
async fn a_session_ends_with_its_token_and_after_twelve_hours() {
    let world = World::idle().await;
    let browser = Browser::at(&world.start_api().await.base);
    let late = browser.sign_in(&world.token(Role::Operator, None).await).await;
    world.execute("UPDATE sessions SET expires_at = now() - interval '1 s'").await;
    let revoked = browser.sign_in(&world.token(Role::Operator, None).await).await;
    world.execute("UPDATE tokens SET revoked_at = now()").await;
    for cookie in [late, revoked, "holdfast=made-up".to_owned()] {
        let answer = browser.get("/ops/actions", &[(COOKIE.as_str(), &cookie)]).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    }
    world.finish().await;
}

#[tokio::test]
async fn tokens_of_shops_and_customers_do_not_open_the_console() {
    let world = World::idle().await;
    let browser = Browser::at(&world.start_api().await.base);
    let tokens = [
        world.token(Role::Shop, None).await,
        world.token(Role::Customer, Some("mallory")).await,
        "made-up".to_owned(),
    ];
    for token in tokens {
        let answer = browser.try_sign_in(&token).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(!answer.headers().contains_key(SET_COOKIE));
        assert!(answer.text().await.unwrap().contains("not known here"));
    }
    world.finish().await;
}

#[tokio::test]
async fn a_form_on_another_site_does_nothing() {
    let world = World::idle().await;
    let browser = Browser::at(&world.start_api().await.base);
    let token = world.token(Role::Admin, None).await;
    let cookie = browser.sign_in(&token).await;
    let form = [("name", "evil"), ("role", "admin"), ("customer_id", "")];
    for from in [
        vec![(ORIGIN.as_str(), "https://evil.example")],
        vec![(ORIGIN.as_str(), "null")],
        vec![("Sec-Fetch-Site", "cross-site"), (ORIGIN.as_str(), browser.base.as_str())],
        vec![("Sec-Fetch-Site", "same-site")],
        vec![],
    ] {
        let mut headers = from.clone();
        headers.push((COOKIE.as_str(), &cookie));
        assert_eq!(browser.post("/ops/tokens", &form, &headers).await.status(), StatusCode::FORBIDDEN);
        let signing_in = browser.post("/ops/sign-in", &[("token", &token)], &from).await;
        assert_eq!(signing_in.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(world.count("SELECT count(*) FROM tokens WHERE name = 'evil'").await, 0);
    // A link in a chat brings no cookie along: the page asks for itself once more, and then the browser sends it.
    let link = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")];
    let again = browser.get("/ops/actions?actor=%22olga", &link).await;
    assert_eq!(again.status(), StatusCode::OK);
    let html = again.text().await.unwrap();
    assert!(html.contains(r#"content="0; url=/ops/actions?actor=%22olga""#), "{html}");
    world.finish().await;
}

#[tokio::test]
async fn who_signs_in_again_and_again_has_so_many_sessions_and_the_latest_of_them() {
    let world = World::idle().await;
    let browser = Browser::at(&world.start_api().await.base);
    let token = world.token(Role::Viewer, None).await;
    let first = browser.sign_in(&token).await;
    let mut last = String::new();
    for _ in 0..60 {
        last = browser.sign_in(&token).await;
    }
    assert_eq!(world.count("SELECT count(*) FROM sessions").await, 50);
    let page = async |cookie: &str| browser.get("/ops/actions", &[(COOKIE.as_str(), cookie)]).await.status();
    assert_eq!((page(&first).await, page(&last).await), (StatusCode::SEE_OTHER, StatusCode::OK));
    world.finish().await;
}
