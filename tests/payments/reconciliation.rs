//! `holdfast reconcile`: nothing that the gateway and we disagree about stays unseen.

use serde_json::json;

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn finds_nothing_where_all_is_paid_declined_or_gone_back() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 200);
    let (order, key) = stage.held(1, 600).await;
    stage.faults(json!([{"on": "confirm", "kind": "decline"}])).await;
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 402);
    let (clean, report) = stage.reconcile(&[]);
    assert!(clean, "{report}");
    assert_eq!((&report["transactions"], &report["payments"]), (&json!(1), &json!(1)));
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_money_that_we_do_not_know_of() {
    let stage = Stage::new().await;
    let key = stage.authenticate("an-order-of-somebody", 5_000).await;
    stage.confirm_behind_our_back("an-order-of-somebody", &key, 5_000).await;
    let (clean, report) = stage.reconcile(&[]);
    assert!(!clean);
    assert_eq!(report["differences"][0]["kind"], "unknown_to_us");
    assert_eq!(report["differences"][0]["gateways_won"], 5_000);
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_money_that_was_taken_though_declined_and_fixes_it() {
    let stage = Stage::new().await;
    let (order, key) = stage.held(1, 600).await;
    let lie =
        json!({"on": "confirm", "kind": "error", "status": 400, "code": "REJECT_CARD_PAYMENT", "done": true});
    let silence = json!([{"kind": "never"}]);
    stage.control("PUT", "faults", &json!({"calls": [lie], "webhooks": silence})).await;
    assert_eq!(stage.pay(&order, &key, 1_000).await.status, 402);
    let (clean, report) = stage.reconcile(&["--fix"]);
    assert!(!clean);
    assert_eq!(report["differences"][0]["kind"], "amount_differs");
    assert_eq!(report["differences"][0]["order_id"], json!(order));
    stage.shop.until(&order, "paid").await;
    let (clean, report) = stage.reconcile(&[]);
    assert!(clean, "{report}");
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn says_so_when_the_gateway_does_not_answer() {
    let stage = Stage::new().await;
    stage.faults(json!([{"on": "list", "kind": "reset_before"}])).await;
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stage.reconcile(&[])));
    assert!(done.is_err(), "half a comparison is none");
    stage.finish().await;
}
