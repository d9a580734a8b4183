//! The console's pages about stock.

use holdfast::store::operators::tokens::Role;

use crate::order_pages::{Browser, hidden};
use crate::support::world::World;

#[tokio::test]
async fn an_operator_receives_and_counts_units_and_a_form_sent_twice_moves_them_once() {
    let (world, shop) = World::running().await;
    let operator = Browser::of(&world, &shop, Role::Operator).await;
    shop.stock("mug", 10).await;
    let order = shop.place("mug", 3, 600).await.text("id").to_owned();
    assert!(operator.page("/ops/stock?text=mu").await.1.contains("/ops/stock/mug"));
    let (_, page) = operator.page("/ops/stock/mug").await;
    assert!(page.contains(&order) && page.contains("min left"), "{page}");
    let key = hidden(&page, "key");
    let fields = [("key", key.as_str()), ("units", "5"), ("reason", "a delivery")];
    for _ in 0..2 {
        let received = operator.submit("/ops/stock/mug/receive", &fields).await;
        assert_eq!(received, (303, "/ops/stock/mug".to_owned()));
    }
    assert_eq!(shop.available("mug").await, 12);

    let key = hidden(&operator.page("/ops/stock/mug").await.1, "key");
    let count = async |on_hand: &str| {
        let fields = [("key", key.as_str()), ("on_hand", on_hand), ("reason", "counted")];
        operator.submit("/ops/stock/mug/adjust", &fields).await.0
    };
    assert_eq!((count("2").await, count("many").await, count("14").await), (409, 422, 303));
    let (_, page) = operator.page("/ops/stock/mug").await;
    assert!(page.contains("a delivery") && page.contains("counted") && page.contains(">14<"), "{page}");
    world.finish().await;
}
