//! The list of transactions, page by page.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::clock;
use holdfast::domain::gateway::TransactionKind;
use holdfast::gateway::port::{Gateway as _, List, ListAnswer, Why};
use serde_json::json;

use crate::stage::{Stage, refund};

fn around(now: DateTime<Utc>, limit: u16) -> List {
    List { from: now - TimeDelta::minutes(5), until: now + TimeDelta::minutes(5), after: None, limit }
}

#[tokio::test]
async fn the_pages_together_are_all_that_moved() {
    let stage = Stage::new().await;
    let mut expected = BTreeMap::new();
    for turn in 1..=7 {
        let paid = stage.paid(1_000 * turn).await;
        stage.toss.cancel(&refund(&paid, Some(500))).await;
        expected.insert(paid.payment.to_string(), (1_000 * turn, 500));
    }
    let (mut ask, mut pages) = (around(clock::now(), 4), 0);
    let mut listed: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    loop {
        let ListAnswer::Page { transactions, next } = stage.toss.list(&ask).await else { panic!("no page") };
        pages += 1;
        for transaction in transactions {
            let sums = listed.entry(transaction.payment.to_string()).or_default();
            match transaction.kind {
                TransactionKind::Capture => sums.0 += transaction.amount.0,
                TransactionKind::Cancel => sums.1 += transaction.amount.0,
                TransactionKind::Other => panic!("{transaction:?}"),
            }
        }
        ask.after = next;
        if ask.after.is_none() {
            break;
        }
    }
    assert_eq!((listed, pages), (expected, 4));
}

#[tokio::test]
async fn transactions_of_other_days_are_not_listed() {
    let stage = Stage::new().await;
    stage.paid(1_000).await;
    let tomorrow = clock::now() + TimeDelta::days(1);
    let answer = stage.toss.list(&around(tomorrow, 100)).await;
    assert_eq!(answer, ListAnswer::Page { transactions: Vec::new(), next: None });
}

#[tokio::test]
async fn a_list_that_fails_is_unknown_and_not_empty() {
    let stage = Stage::new().await;
    let ask = around(clock::now(), 100);
    for (fault, why) in [
        (json!({"on": "list", "kind": "reset_before"}), Why::Broken),
        (json!({"on": "list", "kind": "hang"}), Why::TimedOut),
        (json!({"on": "list", "kind": "body", "status": 200, "text": "{}"}), Why::Unreadable { status: 200 }),
    ] {
        stage.fault(fault).await;
        let toss = if why == Why::TimedOut { &stage.hasty } else { &stage.toss };
        assert_eq!(toss.list(&ask).await, ListAnswer::Unknown { why });
    }
    stage.no_faults().await;
    let lost = List { after: Some("no-such-transaction".to_owned()), ..ask };
    let answer = stage.toss.list(&lost).await;
    assert!(
        matches!(&answer, ListAnswer::Unknown { why: Why::Code { code, .. } } if code == "INVALID_TRANSACTION_KEY")
    );
}
