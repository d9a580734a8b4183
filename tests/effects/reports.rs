//! Reports: one for each fact, signed, and again until the data platform takes it.

use std::process::Command;
use std::time::Duration;

use holdfast::message::Queue;
use holdfast_workers::pools::Pool;
use serde_json::json;
use uuid::Uuid;

use crate::platform::Manner;
use crate::stage::{NEXT_SECRET, SECRET, Stage};
use crate::support::eventually;
use crate::support::processes::{HOLDFAST, holdfast, of};

/// Replays every open dead letter, as an operator does.
pub async fn replay_all(stage: &Stage) {
    let open = "SELECT id FROM dead_letters WHERE status = 'open'";
    let ids: Vec<Uuid> = sqlx::query_scalar(open).fetch_all(&stage.world.pool).await.unwrap();
    let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    let mut arguments = vec!["dead-letters", "replay"];
    arguments.extend(ids.iter().map(String::as_str));
    let done = holdfast(stage.world.desk().await, &arguments).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn a_paid_order_makes_one_signed_report() {
    let stage = Stage::new().await;
    let order = stage.paid(2).await;
    let report = stage.platform.wait_for(1).await.remove(0);
    let body = report.body();
    assert_eq!(body["type"], "order.paid");
    assert!(body["timestamp"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().is_ok());
    assert_eq!(body["data"]["order_id"], order);
    assert_eq!(body["data"]["customer_id"], "alice");
    assert_eq!((&body["data"]["amount_won"], &body["data"]["currency"]), (&json!(2_000), &json!("KRW")));
    assert_eq!(body["data"]["items"], json!([{"sku": "mug", "quantity": 2, "amount_won": 2_000}]));
    assert_eq!(report.header("content-type"), "application/json");

    // While one secret replaces the other, whoever knows either of them can check it.
    assert!(report.is_signed_by(SECRET) && report.is_signed_by(NEXT_SECRET));
    assert!(!report.is_signed_by("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
    assert_eq!(report.header("webhook-signature").split(' ').count(), 2);
    stage.until_all_is_told().await;
    assert_eq!(stage.platform.reports().len(), 1);
    stage.finish().await;
}

/// A report is not taken at first; the next one is the same but for its time.
async fn is_reported_again_after(manner: Manner) {
    let stage = Stage::new().await;
    stage.platform.answer_next(&[manner]);
    stage.paid(1).await;
    let reports = stage.platform.wait_for(2).await;
    assert_eq!((reports[0].id(), &reports[0].bytes), (reports[1].id(), &reports[1].bytes));
    let timestamp =
        |report: &crate::platform::Report| report.header("webhook-timestamp").parse::<i64>().unwrap();
    assert!(timestamp(&reports[1]) > timestamp(&reports[0]));
    assert!(reports[1].is_signed_by(SECRET));
    stage.until_all_is_told().await;
    assert_eq!((stage.platform.reports().len(), stage.ended("done").await), (2, 2));
    stage.finish().await;
}

#[tokio::test]
async fn an_error_of_the_platform_is_tried_again() {
    is_reported_again_after(Manner::Status(500)).await;
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    is_reported_again_after(Manner::With(302, ("location", "/reports"))).await;
}

#[tokio::test]
async fn a_platform_that_hangs_is_given_up_in_time() {
    is_reported_again_after(Manner::Hang).await;
}

#[tokio::test]
async fn a_platform_that_says_when_to_come_back_is_left_alone_until_then() {
    let stage = Stage::new().await;
    stage.platform.answer_next(&[Manner::With(429, ("retry-after", "5"))]);
    stage.paid(1).await;
    let reports = stage.platform.wait_for(2).await;
    let (first, second) = (&reports[0], &reports[1]);
    let waited = second.came_at - first.came_at;
    assert!(waited >= Duration::from_secs(5), "{waited:?}");
    assert_eq!(first.id(), second.id());
    // On its way down the ladder it is looked at, but not tried.
    stage.until_all_is_told().await;
    assert_eq!(stage.world.count("SELECT attempts::bigint FROM effects WHERE kind = 'report'").await, 2);
    stage.finish().await;
}

#[tokio::test]
async fn what_the_platform_never_wants_is_a_dead_letter_and_can_be_replayed() {
    let stage = Stage::new().await;
    stage.platform.answer_next(&[Manner::Status(410)]);
    stage.paid(1).await;
    assert_eq!(stage.world.dead_letter("gone").await, "the data platform answered 410");
    assert_eq!((stage.ended("dead").await, stage.platform.reports().len()), (1, 1));

    replay_all(&stage).await;
    let reports = stage.platform.wait_for(2).await;
    assert_eq!(reports[0].id(), reports[1].id());
    eventually("it is done", async || (stage.ended("dead").await == 0).then_some(())).await;
    stage.finish().await;
}

#[tokio::test]
async fn a_report_that_failed_often_enough_is_a_dead_letter() {
    let stage = Stage::without(&[Pool::Commands(Queue::OrderReport)]).await;
    stage.platform.answer_next(&[Manner::Status(500)]);
    stage.paid(1).await;
    stage.until_counted("alice", 1, 1_000, 0).await;
    // Two days later.
    stage.world.execute("UPDATE effects SET attempts = 10 WHERE kind = 'report'").await;
    stage.world.start_workers_of(&[Queue::OrderReport]);
    let text = stage.world.dead_letter("gave_up").await;
    assert_eq!(text, "the data platform answered 500 after 11 attempts");
    // Replayed, it has all its attempts before it.
    stage.platform.answer_next(&[Manner::Status(500)]);
    replay_all(&stage).await;
    stage.platform.wait_for(3).await;
    eventually("it is done", async || (stage.ended("done").await == 2).then_some(())).await;
    assert_eq!(stage.world.count("SELECT attempts::bigint FROM effects WHERE kind = 'report'").await, 2);
    stage.finish().await;
}

#[tokio::test]
async fn workers_do_not_start_with_a_secret_that_is_none() {
    let stage = Stage::idle().await;
    let program = HOLDFAST.with_file_name("holdfast-workers");
    for (secret, says) in [("whsec_c2hvcnQ=", "whsec_ and the base64"), ("", "is needed to sign")] {
        let mut command = Command::new(&program);
        of(&stage.world, &mut command).env("HOLDFAST_WORKERS_LISTEN", "127.0.0.1:0");
        command.env("HOLDFAST_DATA_PLATFORM_SECRET", secret);
        let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && text.contains(says) && !text.contains("c2hvcnQ"), "{text}");
    }
    stage.finish().await;
}
