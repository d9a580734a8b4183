//! Every page, opened by those whose it is not.

use std::time::Duration;

use holdfast::store::operators::tokens::Role;
use reqwest::header::{CONTENT_SECURITY_POLICY, LOCATION};

use super::stage::Stage;
use crate::support::browser::Browser;

/// Pages that strangers may read.
const FOR_ANYBODY: [&str; 6] = [
    "/shop",
    "/shop/products/{product}",
    "/shop/products/{product}/live",
    "/shop/cart",
    "/shop/sign-in",
    "/shop/sign-in/confirm",
];
/// What anybody may send.
const TO_ANYBODY: [&str; 6] = [
    "/shop/cart",
    "/shop/cart/change",
    "/shop/sign-in",
    "/shop/sign-in/confirm",
    "/shop/sign-out",
    "/shop/language",
];

fn filled(path: &str, order: &str) -> String {
    path.replace("{product}", "mug").replace("{id}", order)
}

#[tokio::test]
async fn no_page_shows_or_does_what_is_anothers() {
    let stage = Stage::open().await;
    let order = stage.shop.as_customer("alice").place("mug", 1, 600).await.text("id").to_owned();
    let mallory = format!("holdfast-buyer={}", stage.world.token(Role::Customer, Some("mallory")).await);
    let browser = Browser::at(&stage.shop.base);
    let own = [("Origin", stage.shop.base.as_str())];
    let signed_in = [own[0], ("Cookie", mallory.as_str())];
    let form = [
        ("key", "k-1"),
        ("sku", "mug"),
        ("quantity", "1"),
        ("amount_won", "1000"),
        ("email", "x"),
        ("language", "ko"),
    ];

    for (path, _) in holdfast::shop::pages() {
        let page = filled(path, &order);
        // A stranger reads what is for anybody, and is asked to sign in elsewhere.
        let answer = browser.get(&page, &[]).await;
        let status = answer.status().as_u16();
        let policy =
            answer.headers().get(CONTENT_SECURITY_POLICY).map(|policy| policy.to_str().unwrap().to_owned());
        assert!(
            policy.is_some_and(|policy| policy.starts_with("default-src 'none'")),
            "GET {path}: {status}"
        );
        if FOR_ANYBODY.contains(&path) {
            assert!(matches!(status, 200 | 303 | 422), "GET {path}: {status}");
        } else if status != 405 && status != 422 {
            let to = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
            assert!(to.is_some_and(|to| to.starts_with("/shop/sign-in?next=")), "GET {path}: {status}");
        }
        // Another site's form is refused before anything of it is read.
        let answer = browser.post(&page, &form, &[("Origin", "https://evil.example"), signed_in[1]]).await;
        assert!(matches!(answer.status().as_u16(), 403 | 405), "POST {path}: {}", answer.status());
        // A stranger's own form leads to the sign-in, unless it is for anybody.
        let answer = browser.post(&page, &form, &own).await;
        let to = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        let is_led = to.is_some_and(|to| to.starts_with("/shop/sign-in?next="));
        let is_fine = is_led || TO_ANYBODY.contains(&path) || matches!(answer.status().as_u16(), 405 | 422);
        assert!(is_fine && !answer.status().is_server_error(), "POST {path}: {}", answer.status());
        // Another customer finds nothing of this order.
        if path.contains("{id}") {
            for answer in [browser.get(&page, &signed_in).await, browser.post(&page, &form, &signed_in).await]
            {
                let status = answer.status().as_u16();
                assert!(matches!(status, 303 | 403 | 404 | 405 | 422), "{path}: {status}");
                assert!(!answer.text().await.unwrap().contains("Blue mug"), "{path}");
            }
        }
    }
    let alice = stage.shop.as_customer("alice");
    assert_eq!(alice.status(&order).await, "held");
    assert_eq!(stage.world.count("SELECT count(*) FROM orders").await, 1);
    stage.finish().await;
}

#[tokio::test]
async fn a_form_that_comes_twice_is_one_order_and_one_payment() {
    let stage = Stage::open().await;
    stage.shop.as_customer("alice").charge(50_000).await;
    let cookie = format!("holdfast-buyer={}", stage.world.token(Role::Customer, Some("alice")).await);
    let browser = Browser::at(&stage.shop.base);
    browser.submit("/shop/cart", &[("sku", "mug"), ("quantity", "2")], &cookie).await;
    let form = [("key", "one-key"), ("amount_won", "24000")];
    let (first, second) = tokio::join!(
        browser.submit("/shop/checkout", &form, &cookie),
        browser.submit("/shop/checkout", &form, &cookie)
    );
    let place = |answer: &reqwest::Response| answer.headers()[LOCATION].to_str().unwrap().to_owned();
    assert_eq!(place(&first), place(&second));
    let page = place(&first);
    assert!(page.starts_with("/shop/orders/"), "{page}");
    // The back button leads to a form that was sent.
    let again = browser.submit("/shop/checkout", &form, &cookie).await;
    assert_eq!(place(&again), page);

    let pay = [("key", "pay-key"), ("wallet_won", "24,000"), ("points_won", "")];
    let to = format!("{page}/pay");
    let (first, second) =
        tokio::join!(browser.submit(&to, &pay, &cookie), browser.submit(&to, &pay, &cookie));
    assert!(place(&first) == page && place(&second) == page);
    stage.shop.as_customer("alice").until(page.rsplit('/').next().unwrap(), "paid").await;
    assert_eq!(stage.world.count("SELECT count(*) FROM payments").await, 1);
    stage.finish().await;
}

#[tokio::test]
async fn what_a_form_gets_wrong_is_told_in_words() {
    let stage = Stage::open().await;
    let cookie = format!("holdfast-buyer={}", stage.world.token(Role::Customer, Some("alice")).await);
    let browser = Browser::at(&stage.shop.base);
    browser.submit("/shop/cart", &[("sku", "mug"), ("quantity", "20")], &cookie).await;
    let short = browser.submit("/shop/checkout", &[("key", "a"), ("amount_won", "240000")], &cookie).await;
    assert_eq!(short.status(), 409);
    let text = short.text().await.unwrap();
    assert!(text.contains("Too few are left") && text.contains("Blue mug: 10 left"), "{text}");
    let dear = browser.submit("/shop/checkout", &[("key", "b"), ("amount_won", "5")], &cookie).await;
    let text = dear.text().await.unwrap();
    assert!(text.contains("The price has changed") && text.contains("₩240,000"), "{text}");
    for form in [
        &[("sku", "no-such"), ("quantity", "1")][..],
        &[("sku", "../../v1"), ("quantity", "1")],
        &[("sku", "mug")],
    ] {
        let refused = browser.submit("/shop/cart", form, &cookie).await;
        assert!(refused.status().is_client_error(), "{form:?}: {}", refused.status());
        assert!(refused.text().await.unwrap().contains("That did not work"), "{form:?}");
    }
    for page in [
        "/shop/products/no-such",
        "/shop/products/popular",
        "/shop/products/..%2f..",
        "/shop/orders/nobody",
        "/shop/nowhere",
    ] {
        let missing = browser.get(page, &[("Cookie", &cookie)]).await;
        assert_eq!(missing.status(), 404, "{page}");
    }
    stage.finish().await;
}

#[tokio::test]
async fn a_session_that_has_ended_is_forgotten_and_led_to_the_sign_in() {
    let stage = Stage::open().await;
    let browser = Browser::at(&stage.shop.base);
    let ended = browser.get("/shop/orders?waiting=1", &[("Cookie", "holdfast-buyer=hf_nobodys")]).await;
    assert_eq!(ended.headers()[LOCATION], "/shop/orders?waiting=1");
    let forgets = ended
        .headers()
        .get_all("set-cookie")
        .iter()
        .any(|cookie| cookie.to_str().unwrap().starts_with("holdfast-buyer=;"));
    assert!(forgets, "{:?}", ended.headers());
    let asked = browser.get("/shop/orders?waiting=1", &[]).await;
    assert_eq!(asked.headers()[LOCATION], "/shop/sign-in?next=%2Fshop%2Forders%3Fwaiting%3D1");
    stage.finish().await;
}

#[tokio::test]
async fn a_shop_that_cannot_look_says_so_and_comes_back() {
    let stage = Stage::open().await;
    let cookie = format!("holdfast-buyer={}", stage.world.token(Role::Customer, Some("alice")).await);
    let browser = Browser::at(&stage.shop.base);
    assert_eq!(browser.get("/shop/cart", &[("Cookie", &cookie)]).await.status(), 200);
    let mut lock = stage.world.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE carts, products IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let shown = [("Cookie", cookie.as_str())];
    let answer = tokio::time::timeout(Duration::from_secs(20), browser.get("/shop/products/mug", &shown));
    let answer = answer.await.expect("a page answers in time");
    assert_eq!(answer.status(), 503);
    assert!(answer.text().await.unwrap().contains("cannot look this up just now"));
    lock.rollback().await.unwrap();
    assert_eq!(browser.get("/shop/products/mug", &[("Cookie", &cookie)]).await.status(), 200);
    stage.finish().await;
}
