//! The pictures of the README, taken by `make screenshots`.

use std::path::PathBuf;

use serde_json::json;

use holdfast::store::tokens::Role;

use crate::browser::Browser;
use crate::support::world::World;

/// Where pictures go.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots")
}

async fn take(browser: &Browser, name: &str) {
    let picture = browser.client.screenshot().await.unwrap();
    std::fs::write(folder().join(format!("{name}.png")), picture).unwrap();
}

#[tokio::test]
#[ignore = "it writes pictures: make screenshots"]
async fn screenshots_of_every_page() {
    let world = World::idle().await;
    let base = world.start_api().await.base;
    let token = world.token(Role::Admin, None).await;
    let browser = Browser::start(&base).await;
    std::fs::create_dir_all(folder()).unwrap();
    browser.open("/ops/sign-in").await;
    take(&browser, "sign-in").await;
    browser.sign_in(&token).await;
    browser.open("/ops/tokens").await;
    take(&browser, "tokens").await;
    browser.client.set_window_size(390, 844).await.unwrap();
    take(&browser, "tokens-phone").await;
    browser.prefer("dark").await;
    take(&browser, "tokens-dark").await;
    let _ = json!({});
    world.finish().await;
}
