//! `kill -9` between any two steps, lost messages, and a broker that forgets everything.

use holdfast::message::Queue;
use holdfast_workers::loops::sweep;
use holdfast_workers::pools::Pool;

use crate::stage::Stage;
use crate::support::databases::make_vhost;
use crate::support::eventually;
use crate::support::processes::Process;

const LEADING: &str = "leading the feed of effects";

/// A feed is killed at a point; another one takes over, and all has taken effect once.
async fn is_fed_once_though_killed_at(point: &str) {
    let stage = Stage::without(&[Pool::Feed]).await;
    stage.paid(2).await;
    stage.paid(1).await;
    let mut feed = Process::worker_paused_at(&stage.world, "feed", point).await;
    feed.kill();
    let _next = Process::worker(&stage.world, "feed");
    stage.until_counted("alice", 2, 3_000, 0).await;
    // Messages that were not published any more are those the sweeper finds.
    eventually("everything is written down", async || {
        (stage.world.count("SELECT count(*) FROM effects").await == 4).then_some(())
    })
    .await;
    sweep::wake_effects(&stage.world.pool, &stage.world.publisher, 0, |_| true).await.unwrap();
    stage.until_all_is_told().await;
    assert_eq!((stage.smtp.mails().len(), stage.platform.reports().len()), (2, 2));
    stage.finish().await;
}

#[tokio::test]
async fn a_feed_killed_before_it_counts() {
    is_fed_once_though_killed_at("before_effects_are_counted").await;
}

#[tokio::test]
async fn a_feed_killed_before_it_commits() {
    is_fed_once_though_killed_at("before_effects_are_committed").await;
}

#[tokio::test]
async fn a_feed_killed_before_it_publishes() {
    is_fed_once_though_killed_at("before_effects_are_published").await;
}

#[tokio::test]
async fn one_feed_leads_and_another_takes_over_when_it_is_killed() {
    let stage = Stage::without(&[Pool::Feed]).await;
    let mut leader = Process::worker(&stage.world, "feed");
    leader.until_logged(LEADING).await;
    let successor = Process::worker(&stage.world, "feed");
    successor.until_logged("listening on").await;
    for number in 1..=6 {
        stage.paid(1).await;
        if number == 3 {
            stage.until_counted("alice", 3, 3_000, 0).await;
            assert!(!successor.log().contains(LEADING), "two feeds at once");
            leader.kill();
        }
    }
    successor.until_logged(LEADING).await;
    stage.until_counted("alice", 6, 6_000, 0).await;
    stage.until_all_is_told().await;
    assert_eq!((stage.smtp.mails().len(), stage.platform.reports().len()), (6, 6));
    stage.finish().await;
}

/// Workers that are killed once they have told and before that is noted tell it again, by the same name.
async fn is_told_again_by_the_same_name_though_killed_at(point: &str) {
    let tellers = [Pool::Commands(Queue::MailSend), Pool::Commands(Queue::OrderReport)];
    let stage = Stage::without(&tellers).await;
    stage.paid(1).await;
    for pool in ["mail.send", "order.report"] {
        let mut teller = Process::worker_paused_at(&stage.world, pool, point).await;
        teller.kill();
    }
    stage.world.start_workers_of(&[Queue::MailSend, Queue::OrderReport]);
    stage.until_all_is_told().await;
    let (mails, reports) = (stage.smtp.mails(), stage.platform.reports());
    assert!(mails.iter().all(|mail| mail.header("Message-ID") == mails[0].header("Message-ID")));
    assert!(mails.iter().all(|mail| mail.text == mails[0].text));
    assert!(reports.iter().all(|report| report.id() == reports[0].id()));
    assert_eq!(stage.ended("done").await, 2);
    let times = if point == "before_telling" || point == "after_commit" { 1 } else { 2 };
    assert_eq!((mails.len(), reports.len()), (times, times), "{point}");
    stage.finish().await;
}

#[tokio::test]
async fn a_worker_killed_before_it_tells() {
    is_told_again_by_the_same_name_though_killed_at("before_telling").await;
}

#[tokio::test]
async fn a_worker_killed_after_it_told() {
    is_told_again_by_the_same_name_though_killed_at("after_telling").await;
}

#[tokio::test]
async fn a_worker_killed_before_it_commits_that_it_told() {
    is_told_again_by_the_same_name_though_killed_at("before_commit").await;
}

#[tokio::test]
async fn a_worker_killed_before_it_acknowledges() {
    is_told_again_by_the_same_name_though_killed_at("after_commit").await;
}

#[tokio::test]
async fn messages_that_were_lost_are_published_again() {
    let tellers = [Pool::Commands(Queue::MailSend), Pool::Commands(Queue::OrderReport)];
    let stage = Stage::without(&tellers).await;
    stage.paid(1).await;
    for queue in ["mail.send", "order.report"] {
        eventually("it waits in its queue", async || (stage.world.depth(queue).await == 1).then_some(()))
            .await;
        stage.world.purge(queue).await;
    }
    let wake =
        async || sweep::wake_effects(&stage.world.pool, &stage.world.publisher, 0, |_| true).await.unwrap();
    assert_eq!(wake().await, 2);
    // Who was just woken is not woken again.
    let again = sweep::wake_effects(&stage.world.pool, &stage.world.publisher, 60, |_| true).await.unwrap();
    assert_eq!(again, 0);
    stage.world.start_workers_of(&[Queue::MailSend, Queue::OrderReport]);
    stage.until_all_is_told().await;
    assert_eq!((stage.smtp.mails().len(), stage.platform.reports().len()), (1, 1));
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_loses_all_its_data_costs_no_effect() {
    let tellers = [Pool::Commands(Queue::MailSend), Pool::Commands(Queue::OrderReport)];
    let stage = Stage::without(&[tellers[0], tellers[1], Pool::Feed]).await;
    // Facts the feed has read, whose messages wait in the broker, and facts it has not read.
    let mut feed = Process::worker(&stage.world, "feed");
    stage.paid(1).await;
    eventually("the messages wait", async || (stage.world.depth("order.report").await == 1).then_some(()))
        .await;
    feed.kill();
    stage.paid(1).await;

    let url = format!("{}/vhosts/{}", stage.world.servers.rabbitmq_api, stage.world.vhost);
    assert!(reqwest::Client::new().delete(url).send().await.unwrap().status().is_success());
    make_vhost(&stage.world.servers, &stage.world.vhost).await;

    let _feed = Process::worker(&stage.world, "feed");
    stage.world.start_workers_of(&[Queue::MailSend, Queue::OrderReport]);
    stage.until_counted("alice", 2, 2_000, 0).await;
    eventually("no effect is open", async || {
        // The publisher of this world has to connect again, and what it could not publish is found again.
        let _ = sweep::wake_effects(&stage.world.pool, &stage.world.publisher, 0, |_| true).await;
        (stage.world.count("SELECT count(*) FROM effects WHERE status = 'open'").await == 0).then_some(())
    })
    .await;
    stage.until_counted("alice", 2, 2_000, 0).await;
    let ids: std::collections::BTreeSet<String> =
        stage.platform.reports().iter().map(|report| report.id().to_owned()).collect();
    assert_eq!((ids.len(), stage.ended("done").await), (2, 4));
    stage.finish().await;
}
