//! `/v1/customer`: how a customer is reached.

use serde_json::{Value, json};

use crate::stage::Stage;

#[tokio::test]
async fn an_address_is_set_changed_and_forgotten() {
    let stage = Stage::idle().await;
    let bob = stage.shop.as_customer("bob");
    let unknown =
        json!({"customer_id": "bob", "email": null, "order_count": 0, "paid_won": 0, "refunded_won": 0});
    assert_eq!(bob.get("/v1/customer").await.body, unknown);
    for email in ["bob@example.com", "bob+shop@example.co.kr"] {
        let put = bob.put("/v1/customer", &json!({"email": email})).await;
        assert_eq!((put.status, put.text("email")), (200, email));
        assert_eq!(bob.get("/v1/customer").await.body, put.body);
    }
    assert_eq!(bob.put("/v1/customer", &json!({"email": null})).await.body, unknown);
    // Nobody else's address was touched.
    assert_eq!(stage.shop.get("/v1/customer").await.text("email"), "alice@example.com");
    stage.finish().await;
}

#[tokio::test]
async fn what_is_no_address_is_refused() {
    let stage = Stage::idle().await;
    let long = format!("{}@example.com", "a".repeat(260));
    for bad in [
        json!({"email": "bob"}),
        json!({"email": ""}),
        json!({"email": "bob@example.com\r\nBcc: mallory@example.com"}),
        json!({"email": "bob <bob@example.com>"}),
        json!({"email": long}),
        json!({"email": 7}),
        json!({"email": "bob@example.com", "order_count": 9}),
        json!({}),
        Value::Null,
    ] {
        let refused = stage.shop.put("/v1/customer", &bad).await;
        assert_eq!(refused.status, 422, "{bad}: {refused:?}");
    }
    assert_eq!(stage.shop.get("/v1/customer").await.text("email"), "alice@example.com");
    stage.finish().await;
}
