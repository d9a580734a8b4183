//! Health and queues, as a person sees them.

use std::time::Duration;

use holdfast::store::operators::tokens::Role;

use crate::browser::{Browser, ENTER};
use crate::support::eventually_within;
use crate::support::world::World;

/// Workers report every five seconds, and the page asks as often.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_page_of_health_draws_itself_anew_and_a_pool_is_paused_by_keyboard() {
    let (world, shop) = World::running().await;
    let browser = Browser::start(&shop.base).await;
    browser.sign_in(&world.token(Role::Operator, None).await).await;
    browser.open("/ops").await;
    let shown = async |text: &str| {
        eventually_within(SOON, &format!("the page shows {text}"), async || {
            browser.client.source().await.unwrap().contains(text).then_some(())
        })
        .await;
    };
    shown("all is well").await;
    world
        .execute(
            "INSERT INTO webhooks (provider, event_id, kind, payment_key, signed)
             VALUES ('toss', 'event-1', 'PAYMENT_STATUS_CHANGED', 'key-of-nobody', false)",
        )
        .await;
    // Nobody reloads the page.
    shown("1 webhook of the last day is about no payment of ours").await;

    browser.open("/ops/queues").await;
    browser.tab_to("details:has(form[action='/ops/pools/order.report/pause']) summary").await;
    browser.press(ENTER).await;
    browser.tab_to("form[action='/ops/pools/order.report/pause'] input").await;
    browser.press(&format!("they repair it{ENTER}")).await;
    browser.until_shown("The pool order.report is paused").await;
    browser.until_shown("they repair it").await;
    browser.tab_to("form[action='/ops/pools/order.report/resume'] button").await;
    browser.press(ENTER).await;
    browser.until_shown("The pool order.report goes on").await;
    world.execute("DELETE FROM webhooks").await;
    world.finish().await;
}
