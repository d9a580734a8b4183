//! Whatever goes wrong between us and the gateway.

use std::time::Duration;

use serde_json::{Value, json};

use super::Charges as _;
use crate::every_fault::once;
use crate::stage::Stage;
use crate::support::eventually_within;

/// What can go wrong with one call, and nothing at all.
fn mishaps() -> Vec<Value> {
    vec![
        json!({"kind": "late", "ms": 0}),
        json!({"kind": "late", "ms": 2_000}),
        json!({"kind": "hang"}),
        json!({"kind": "hang", "done": true}),
        json!({"kind": "reset_before"}),
        json!({"kind": "done_then_reset"}),
        json!({"kind": "error", "status": 500}),
        json!({"kind": "error", "status": 500, "done": true}),
        json!({"kind": "wrong_amount", "amount": 1}),
    ]
}

/// Every mishap of a confirm, with every mishap of the inquiry that follows: each charge of a customer of its own.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_a_confirm_and_to_an_inquiry_the_wallet_is_filled_once() {
    let stage = Stage::new().await;
    let (mut charges, mut rules) = (Vec::new(), Vec::new());
    for (row, on_confirm) in mishaps().iter().enumerate() {
        for (column, on_find) in mishaps().iter().enumerate() {
            let shop = stage.shop.as_customer(&format!("customer-{row}-{column}"));
            let id = shop.place_charge(1_000).await;
            let key = stage.authenticate(&id, 1_000).await;
            rules.extend([once(on_confirm, "confirm", &id), once(on_find, "find", &id)]);
            charges.push((shop, id, key, format!("{on_confirm}, then {on_find}")));
        }
    }
    // No webhook helps.
    let faults = json!({"calls": rules, "webhooks": [{"kind": "never"}]});
    stage.control("PUT", "faults", &faults).await;
    for (shop, id, key, mishap) in &charges {
        let asked = shop.ask_to_pay_charge(id, key, 1_000).await;
        assert_eq!((asked.status, asked.text("status")), (202, "paying"), "{mishap}");
    }
    for (shop, id, _, mishap) in &charges {
        eventually_within(Duration::from_secs(120), mishap, async || {
            (shop.read_charge(id).await.text("status") == "posted").then_some(())
        })
        .await;
        assert_eq!((shop.wallet().await, stage.balance(id).await), (1_000, 1_000), "{mishap}");
    }
    stage.finish().await;
}

#[tokio::test]
async fn a_buyer_who_waits_hears_of_it_in_spite_of_a_lost_answer() {
    let stage = Stage::new().await;
    let (id, key) = stage.charge(5_000).await;
    stage
        .faults(json!([
            {"on": "confirm", "kind": "done_then_reset", "count": 1},
            {"on": "find", "kind": "error", "status": 500, "count": 1},
        ]))
        .await;
    let posted = stage.shop.pay_charge(&id, &key, 5_000).await;
    assert_eq!(posted.status, 200, "{posted:?}");
    assert_eq!(posted.headers["preference-applied"], "wait=30");
    stage.finish().await;
}

#[tokio::test]
async fn a_payment_the_gateway_does_not_know_is_declined_after_several_inquiries() {
    let stage = Stage::new().await;
    let id = stage.shop.place_charge(5_000).await;
    let answer = stage.shop.pay_charge(&id, "made-up-by-the-buyer", 5_000).await;
    assert_eq!((answer.status, answer.text("reason")), (402, "unknown_payment"), "{answer:?}");
    assert!(stage.world.count("SELECT not_found_count::bigint FROM charges").await >= 3);
    stage.finish().await;
}
