//! Refunds take back what payments counted, and are told like them.

use serde_json::json;

use crate::stage::Stage;

#[tokio::test]
async fn a_partial_refund_leaves_the_order_and_a_whole_one_does_not() {
    let stage = Stage::new().await;
    let order = stage.paid(3).await;
    stage.refund(&order, 1, false).await;
    stage.until_counted("alice", 1, 3_000, 1_000).await;
    stage.refund(&order, 2, true).await;
    stage.until_counted("alice", 0, 3_000, 3_000).await;
    assert_eq!(stage.shop.get("/v1/popular").await.body, json!({"skus": []}));
    stage.finish().await;
}

#[tokio::test]
async fn a_refund_is_told_to_the_customer_and_to_the_data_platform() {
    let stage = Stage::new().await;
    let order = stage.paid(3).await;
    stage.smtp.wait_for(1).await;
    stage.refund(&order, 1, false).await;
    let mail = stage.smtp.wait_for(2).await.remove(1);
    assert_eq!(mail.header("Subject"), format!("A refund for your order {order}"));
    assert!(mail.text.contains("1 x The mug: 1,000 won"), "{}", mail.text);

    let reports = stage.platform.wait_for(2).await;
    let body =
        reports.iter().map(|report| report.body()).find(|body| body["type"] == "order.refunded").unwrap();
    assert_eq!(body["data"]["order_id"], order);
    assert_eq!(body["data"]["is_whole"], false);
    assert_eq!(body["data"]["items"], json!([{"sku": "mug", "quantity": 1, "amount_won": 1_000}]));
    stage.until_all_is_told().await;
    stage.finish().await;
}
