//! Money that came although the charge counted as declined.

use serde_json::{Value, json};

use super::Charges as _;
use crate::stage::Stage;

impl Stage {
    /// A charge that counts as declined: the gateway said no, took the money all the same and sends no webhook.
    pub async fn charge_with_money_to_come(&self, amount_won: i64) -> (String, String) {
        let (id, key) = self.charge(amount_won).await;
        let lie = json!({"on": "confirm", "kind": "error", "status": 400, "code": "REJECT_CARD_PAYMENT", "done": true});
        let silence = json!([{"kind": "never"}]);
        self.control("PUT", "faults", &json!({"calls": [lie], "webhooks": silence})).await;
        assert_eq!(self.shop.pay_charge(&id, &key, amount_won).await.status, 402);
        (id, key)
    }
}

#[tokio::test]
async fn fills_the_wallet_where_it_still_fits() {
    let stage = Stage::new().await;
    let (id, key) = stage.charge_with_money_to_come(60_000).await;
    assert_eq!(stage.shop.charge(40_000).await.status, 201);
    // That the gateway cannot be asked at once does not end it.
    stage.faults(json!([{"on": "find", "kind": "reset_before", "count": 3}])).await;
    stage.send_webhook(&id, &key).await;
    stage.shop.until_charge_is(&id, "posted").await;
    assert_eq!((stage.shop.wallet().await, stage.balance(&id).await), (100_000, 60_000));
    assert_eq!(stage.world.count("SELECT count(*) FROM charges WHERE late_at IS NOT NULL").await, 1);
    // Whoever asks again hears the truth.
    assert_eq!(stage.shop.pay_charge(&id, &key, 60_000).await.status, 200);
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_back_once_where_it_does_not_fit_however_often_the_way_back_fails() {
    let fail = |kind: &str, count: u32| json!({"on": "cancel", "kind": kind, "count": count});
    let cases: [Value; 2] = [json!([]), json!([fail("reset_before", 1), fail("done_then_reset", 1)])];
    for faults in cases {
        let stage = Stage::new().await;
        let (id, key) = stage.charge_with_money_to_come(60_000).await;
        assert_eq!(stage.shop.charge(40_001).await.status, 201);
        stage.faults(faults).await;
        stage.send_webhook(&id, &key).await;
        stage.shop.until_charge_is(&id, "returned").await;
        assert_eq!((stage.shop.wallet().await, stage.balance(&id).await), (40_001, 0));
        let declined = stage.shop.pay_charge(&id, &key, 60_000).await;
        assert_eq!((declined.status, declined.text("reason")), (402, "card_declined"));
        let (clean, report) = stage.reconcile(&[]);
        assert!(clean, "{report}");
        stage.finish().await;
    }
}

#[tokio::test]
async fn does_not_take_the_room_of_a_charge_that_is_on_its_way() {
    let stage = Stage::new().await;
    let (late, late_key) = stage.charge_with_money_to_come(60_000).await;
    let (other, other_key) = stage.charge(60_000).await;
    stage.faults(json!([{"on": "confirm", "kind": "hang", "done": true, "count": 1}])).await;
    assert_eq!(stage.shop.ask_to_pay_charge(&other, &other_key, 60_000).await.status, 202);
    stage.send_webhook(&late, &late_key).await;
    stage.shop.until_charge_is(&other, "posted").await;
    stage.shop.until_charge_is(&late, "returned").await;
    assert_eq!(stage.shop.wallet().await, 60_000);
    stage.finish().await;
}
