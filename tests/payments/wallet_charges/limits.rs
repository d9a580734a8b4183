//! A wallet holds at most 100,000 won, what is on its way included.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::json;

use super::Charges as _;
use crate::stage::Stage;
use crate::support::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_charges_of_a_new_wallet_at_once_fill_it_exactly_and_make_it_once() {
    let stage = Stage::new().await;
    let shop = stage.shop.as_customer("newcomer");
    let place = async || {
        let id = shop.place_charge(2_000).await;
        let key = stage.authenticate(&id, 2_000).await;
        (id, key)
    };
    let charges = join_all((0..50).map(|_| place())).await;
    assert_eq!(stage.world.count("SELECT count(*) FROM balances").await, 0);
    // Under such a load "unavailable" is a fair answer, and the same call is the way on from it.
    let pay = async |id: &str, key: &str| {
        eventually("the payment is answered", async || {
            let answer = shop.pay_charge(id, key, 2_000).await;
            (answer.status != 503).then_some(answer.status)
        })
        .await
    };
    let vouch = async |number: usize| {
        let key = format!("vouched-{number}");
        eventually("the charge is answered", async || {
            let answer = shop.post_as(&key, "/v1/wallet/charges", &json!({"amount_won": 2_000})).await;
            // One that was made by a call whose answer was lost is made.
            (answer.status != 503).then_some(if answer.status == 201 { 200 } else { answer.status })
        })
        .await
    };
    let by_card = join_all(charges.iter().map(|(id, key)| pay(id, key)));
    let by_shop = join_all((0..50).map(vouch));
    let (by_card, by_shop) = tokio::join!(by_card, by_shop);
    let mut answers: HashMap<u16, usize> = HashMap::new();
    for status in by_card.into_iter().chain(by_shop) {
        *answers.entry(status).or_default() += 1;
    }
    assert_eq!(answers, HashMap::from([(200, 50), (409, 50)]));
    assert_eq!(shop.wallet().await, 100_000);
    assert_eq!(stage.world.count("SELECT count(*) FROM balances").await, 1);
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_charges_by_card_at_once_fill_the_wallet_exactly() {
    let stage = Stage::new().await;
    let mut charges = Vec::new();
    for _ in 0..100 {
        charges.push(stage.charge(2_000).await);
    }
    let statuses = join_all(charges.iter().map(|(id, key)| async {
        eventually("the payment is answered", async || {
            let answer = stage.shop.pay_charge(id, key, 2_000).await;
            // A customer has places for fifty who wait.
            (![429, 503].contains(&answer.status)).then_some(answer.status)
        })
        .await
    }))
    .await;
    let times = |status: u16| statuses.iter().filter(|own| **own == status).count();
    assert_eq!((times(200), times(409)), (50, 50), "{statuses:?}");
    assert_eq!(stage.shop.wallet().await, 100_000);
    assert_eq!(stage.confirms().await, 50);
    stage.finish().await;
}

#[tokio::test]
async fn what_is_on_its_way_counts_until_it_is_declined() {
    let stage = Stage::new().await;
    let (first, key) = stage.charge(60_000).await;
    let (second, second_key) = stage.charge(50_000).await;
    // The first answer never comes; what the second one says is a decline.
    let faults = json!([{"on": "confirm", "kind": "hang", "count": 1}, {"on": "confirm", "kind": "decline", "count": 1}]);
    stage.faults(faults).await;
    assert_eq!(stage.shop.ask_to_pay_charge(&first, &key, 60_000).await.status, 202);
    assert_eq!(stage.shop.charge(40_001).await.problem(), "wallet-full");
    let full = stage.shop.pay_charge(&second, &second_key, 50_000).await;
    assert_eq!((full.status, full.problem(), &full.body["balance_won"]), (409, "wallet-full", &json!(0)));
    assert_eq!(stage.shop.read_charge(&second).await.text("status"), "open");
    stage.shop.until_charge_is(&first, "declined").await;
    // The room is free again, and the second charge still open.
    assert_eq!(stage.shop.pay_charge(&second, &second_key, 50_000).await.status, 200);
    assert_eq!(stage.shop.wallet().await, 50_000);
    stage.finish().await;
}
