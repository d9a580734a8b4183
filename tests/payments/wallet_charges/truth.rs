//! What webhooks, `holdfast reconcile` and the audit make of charges.

use serde_json::json;

use super::Charges as _;
use crate::stage::Stage;
use crate::support::eventually;
use crate::support::processes::Process;

#[tokio::test]
async fn the_webhook_of_a_charge_is_stored_as_its_own_and_races_with_the_answer() {
    let stage = Stage::new().await;
    let (id, key) = stage.charge(5_000).await;
    stage
        .control(
            "PUT",
            "faults",
            &json!({
                "calls": [{"on": "confirm", "kind": "late", "ms": 500, "count": 1}],
                "webhooks": [{"kind": "duplicate", "times": 3}],
            }),
        )
        .await;
    let hurry = async {
        for _ in 0..5 {
            stage.send_webhook(&id, &key).await;
        }
    };
    let (posted, ()) = tokio::join!(stage.shop.pay_charge(&id, &key, 5_000), hurry);
    assert_eq!(posted.status, 200, "{posted:?}");
    eventually("the gateway's webhook is stored", async || {
        (stage.world.count("SELECT count(*) FROM webhooks WHERE charge_id IS NOT NULL").await >= 1)
            .then_some(())
    })
    .await;
    assert_eq!((stage.shop.wallet().await, stage.balance(&id).await), (5_000, 5_000));
    stage.finish().await;
}

#[tokio::test]
async fn a_webhook_that_learns_nothing_does_not_end_the_asking() {
    let stage = Stage::without_resolvers().await;
    let (id, key) = stage.charge(5_000).await;
    assert_eq!(stage.shop.ask_to_pay_charge(&id, &key, 5_000).await.status, 202);
    let waiting = async |messages: u32| {
        eventually("messages wait", async || {
            (stage.world.depth("wallet.charge").await == messages).then_some(())
        })
        .await;
    };
    waiting(1).await;
    stage.world.purge("wallet.charge").await;
    // The hint comes first, and the message that must not be lost right behind it.
    stage.send_webhook(&id, &key).await;
    waiting(1).await;
    holdfast_workers::loops::sweep::wake_unsettled(&stage.world.pool, &stage.world.publisher, 0, |_| true)
        .await
        .unwrap();
    waiting(2).await;
    stage.faults(json!([{"on": "confirm", "kind": "reset_before", "count": 1}])).await;
    let _worker = Process::worker(&stage.world, "wallet.charge=1");
    stage.shop.until_charge_is(&id, "posted").await;
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_finds_nothing_where_all_is_posted_or_declined() {
    let stage = Stage::new().await;
    let (id, key) = stage.charge(5_000).await;
    assert_eq!(stage.shop.pay_charge(&id, &key, 5_000).await.status, 200);
    let (id, key) = stage.charge(5_000).await;
    stage.faults(json!([{"on": "confirm", "kind": "decline"}])).await;
    assert_eq!(stage.shop.pay_charge(&id, &key, 5_000).await.status, 402);
    let (clean, report) = stage.reconcile(&[]);
    assert!(clean, "{report}");
    assert_eq!(report["payments"], 1);
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_finds_money_that_was_taken_though_declined_and_fixes_it() {
    let stage = Stage::new().await;
    let (id, _) = stage.charge_with_money_to_come(5_000).await;
    let (clean, report) = stage.reconcile(&["--fix"]);
    assert!(!clean);
    let difference = &report["differences"][0];
    assert_eq!((&difference["kind"], &difference["charge_id"]), (&json!("amount_differs"), &json!(id)));
    stage.shop.until_charge_is(&id, "posted").await;
    let (clean, report) = stage.reconcile(&[]);
    assert!(clean, "{report}");
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_finds_a_charge_that_is_posted_and_not_at_the_gateway() {
    let stage = Stage::new().await;
    let (id, key) = stage.charge(5_000).await;
    assert_eq!(stage.shop.pay_charge(&id, &key, 5_000).await.status, 200);
    stage.cancel_behind_our_back(&key).await;
    let (clean, report) = stage.reconcile(&[]);
    assert!(!clean);
    let difference = &report["differences"][0];
    assert_eq!((&difference["kind"], &difference["ours_won"]), (&json!("not_at_gateway"), &json!(5_000)));
    assert_eq!(difference["charge_id"], json!(id));
    stage.finish().await;
}

#[tokio::test]
async fn the_audit_finds_charges_that_are_broken() {
    let stage = Stage::without_resolvers().await;
    let (id, key) = stage.charge(5_000).await;
    assert_eq!(stage.shop.ask_to_pay_charge(&id, &key, 5_000).await.status, 202);
    let broken = async || -> Vec<&'static str> {
        let mut conn = stage.world.pool.acquire().await.unwrap();
        let findings = holdfast::store::audit::check(&mut conn).await.unwrap();
        findings.into_iter().filter(|finding| finding.violations > 0).map(|finding| finding.truth).collect()
    };
    assert!(broken().await.is_empty());
    stage.world.execute("UPDATE charges SET requested_at = now() - interval '1 hour'").await;
    assert_eq!(broken().await, ["no_open_charge_is_forgotten"]);
    stage.world.execute("UPDATE charges SET requested_at = now(), amount_won = 100001").await;
    assert_eq!(broken().await, ["wallets_keep_their_limit"]);
    let posted = "UPDATE charges SET amount_won = 5000, status = 'posted', balance_won = 5000";
    stage.world.execute(posted).await;
    assert_eq!(broken().await, ["posted_charges_have_ledger_entries"]);
    stage.world.execute("UPDATE charges SET status = 'requesting', balance_won = NULL").await;
    stage.finish().await;
}
