//! The life of an order as workers lead it, beside the picture of it.

use std::collections::BTreeSet;

use holdfast::domain::order::table;
use holdfast_workers::loops::serve_waiting;
use serde_json::json;

use crate::late_money::order_with_money_to_come;
use crate::stage::Stage;
use crate::support::eventually;

/// From now on PostgreSQL itself writes down what becomes of every order's status.
async fn watch_every_step(stage: &Stage) {
    for statement in [
        "CREATE TABLE steps_taken (left_status text NOT NULL, came_to text NOT NULL)",
        "CREATE FUNCTION note_step() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             INSERT INTO steps_taken VALUES (
                 CASE TG_OP WHEN 'INSERT' THEN 'accepted' ELSE OLD.status::text END, NEW.status::text);
             RETURN NULL;
         END $$",
        "CREATE TRIGGER note_step AFTER INSERT OR UPDATE OF status ON orders
            FOR EACH ROW EXECUTE FUNCTION note_step()",
    ] {
        stage.world.execute(statement).await;
    }
}

impl Stage {
    /// Gives one mug of a paid order back, and waits until so much of its price is.
    async fn refund_a_mug(&self, order: &str, refunded_won: i64) {
        self.ask_to_refund(order, json!({"items": [{"sku": "mug", "quantity": 1}]})).await;
        eventually("the mug is given back", async || {
            let order = self.shop.order(order).await;
            (order.body["refunded_won"] == refunded_won).then_some(())
        })
        .await;
    }
}

impl Stage {
    /// Three wait in line: one in vain, one calls off, and one gets what comes.
    async fn wait_for_a_rarity(&self) {
        let shop = &self.shop;
        let wait = async |wait_seconds: i64| {
            let items = json!([{"sku": "rarity", "quantity": 1}]);
            let body = json!({"items": items, "on_shortage": "wait", "wait_seconds": wait_seconds});
            shop.post("/v1/orders", &body).await.text("id").to_owned()
        };
        let in_vain = wait(1).await;
        eventually("the wait ends", async || {
            serve_waiting::end_some(&self.world.pool).await.unwrap();
            (shop.status(&in_vain).await == "refused").then_some(())
        })
        .await;
        let tired = wait(600).await;
        assert_eq!(shop.post(&format!("/v1/orders/{tired}/cancel"), &json!({})).await.status, 200);
        let served = wait(600).await;
        let receipt = json!({"units": 1, "reason": "a find"});
        assert_eq!(shop.post("/v1/skus/rarity/receipts", &receipt).await.status, 200);
        assert_eq!(shop.status(&served).await, "held");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_take_every_step_of_the_picture_and_no_other() {
    let stage = Stage::new().await;
    let shop = &stage.shop;
    watch_every_step(&stage).await;

    shop.stock("rarity", 0).await;
    assert_eq!(shop.place("rarity", 1, 600).await.status, 409);
    stage.wait_for_a_rarity().await;

    shop.charge(10_000).await;
    let by_wallet = shop.place("mug", 1, 600).await.text("id").to_owned();
    assert_eq!(shop.pay(&by_wallet).await.status, 200);
    stage.refund_a_mug(&by_wallet, 1_000).await;
    assert_eq!(shop.status(&by_wallet).await, "refunded");

    let unwanted = shop.place("mug", 1, 600).await.text("id").to_owned();
    assert_eq!(shop.post(&format!("/v1/orders/{unwanted}/cancel"), &json!({})).await.status, 200);

    let by_card = stage.paid_by_card(3).await;
    for (refunded_won, status) in
        [(1_000, "partly_refunded"), (2_000, "partly_refunded"), (3_000, "refunded")]
    {
        stage.refund_a_mug(&by_card, refunded_won).await;
        assert_eq!(shop.status(&by_card).await, status);
    }

    let late = order_with_money_to_come(&stage, 2).await;
    shop.until(&late, "paid").await;

    let taken: Vec<(String, String)> =
        sqlx::query_as("SELECT DISTINCT left_status, came_to FROM steps_taken")
            .fetch_all(&stage.world.pool)
            .await
            .unwrap();
    let shown = table().map(|(from, _, to)| (from.name().to_owned(), to.name().to_owned()));
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), shown.collect());
    stage.finish().await;
}
