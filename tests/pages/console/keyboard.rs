//! The console without a mouse.

use holdfast::store::operators::tokens::Role;

use crate::browser::{Browser, ENTER};
use crate::support::eventually;
use crate::support::world::World;

#[tokio::test]
async fn an_admin_signs_in_goes_about_and_signs_out_by_keyboard_alone() {
    let world = World::idle().await;
    let base = world.start_api().await.base;
    let token = world.token(Role::Admin, None).await;
    let browser = Browser::start(&base).await;

    // The one field has the focus already.
    browser.open("/ops/sign-in?next=/ops/tokens").await;
    browser.press(&format!("{token}{ENTER}")).await;
    browser.until_shown("A new token").await;

    browser.tab_to("form.act input[name=name]").await;
    browser.press(&format!("olga{ENTER}")).await;
    browser.until_shown("This is the token olga").await;

    browser.tab_to("a.mark").await;
    browser.press("ga").await;
    eventually("the keys lead to the audit log", async || {
        (browser.place().await == "/ops/actions").then_some(())
    })
    .await;
    browser.until_shown("token.create").await;

    browser.press("/").await;
    browser.press(&format!("nobody{ENTER}")).await;
    browser.until_shown("Nobody has done anything that fits").await;

    browser.tab_to(".who button").await;
    browser.press(ENTER).await;
    browser.until_shown("Token of a viewer").await;
    world.finish().await;
}
