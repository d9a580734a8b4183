//! Dead letters are found, grouped, read, discarded and restored.

use holdfast::broker::envelope::Outgoing;
use holdfast::clock;
use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::message::{CancelOrder, Version};
use serde_json::json;
use uuid::Uuid;

use crate::letters::{Letter, found, hold_body, operator, post};
use crate::support::eventually;
use crate::support::world::World;

#[tokio::test]
async fn letters_are_found_by_whatever_is_known_of_them() {
    let world = World::idle().await;
    let olga = operator(&world).await;
    let order = Uuid::now_v7();
    let hold = Letter {
        queue: "order.hold",
        class: "database",
        error: "the CHECK no_mallory".to_owned(),
        body: hold_body(order, "mallory", 1),
        customer: Some("mallory"),
        skus: vec!["mug", "pot"],
        order: Some(order),
        minutes_ago: 90,
    };
    let hold = hold.put(&world).await;
    let strange = Letter { body: "\u{1b}[0m 100%_\\ 한국 \0".into(), minutes_ago: 10, ..Letter::default() };
    let strange = strange.put(&world).await;

    assert_eq!(found(&olga, "").await, [strange.clone(), hold.clone()]);
    let hour_ago =
        (clock::now() - chrono::TimeDelta::hours(1)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    for query in [
        "queue=order.hold",
        "error_class=database",
        "message_type=order.hold&status=open",
        "sku=pot",
        "customer=mallory&sku=mug",
        "text=no_MALLORY",
        "text=%22customer_id%22:%22mallory%22&queue=",
        &format!("order_id={order}"),
        &format!("to={hour_ago}"),
    ] {
        assert_eq!(found(&olga, query).await, [hold.as_str()], "{query}");
    }
    // Nothing in a text is a pattern, and every byte of it counts.
    for query in
        ["text=100%25_%5C", "text=%ED%95%9C%EA%B5%AD", "error_class=gave_up", &format!("from={hour_ago}")]
    {
        assert_eq!(found(&olga, query).await, [strange.as_str()], "{query}");
    }
    for query in ["sku=m", "text=100_", "text=nowhere", "status=discarded", "customer=bob", "to=2020-01-01"] {
        assert!(found(&olga, query).await.is_empty(), "{query}");
    }
    assert_eq!(found(&olga, "status=any").await.len(), 2);
    for query in ["queues=order.hold", "status=dead", "order_id=7", "after=7", "text=%00", "from=yesterday"] {
        let answer = olga.get(&format!("/v1/ops/dead-letters?{query}")).await;
        assert_eq!((answer.status, answer.problem()), (422, "unprocessable"), "{query}");
    }
    world.finish().await;
}

#[tokio::test]
async fn groups_count_what_died_alike() {
    let world = World::idle().await;
    let olga = operator(&world).await;
    for minutes_ago in [5, 30, 20] {
        Letter { minutes_ago, ..Letter::default() }.put(&world).await;
    }
    Letter { queue: "order.hold", class: "panic", ..Letter::default() }.put(&world).await;
    let groups = olga.get("/v1/ops/dead-letters/groups").await.body["groups"].clone();
    let brief = |group: &serde_json::Value| {
        (
            group["queue"].clone(),
            group["error_class"].clone(),
            group["message_type"].clone(),
            group["count"].clone(),
        )
    };
    let groups = groups.as_array().unwrap();
    assert_eq!(brief(&groups[0]), (json!("order.cancel"), json!("gave_up"), json!("order.cancel"), json!(3)));
    assert_eq!(brief(&groups[1]), (json!("order.hold"), json!("panic"), json!("order.hold"), json!(1)));
    assert_eq!(groups.len(), 2);
    let time =
        |member: &str| groups[0][member].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    // The rows were put there one after the other.
    let apart = (time("last_died_at") - time("first_died_at")).as_seconds_f64();
    assert!((1_490.0..=1_500.0).contains(&apart), "{apart}");
    let narrowed = olga.get("/v1/ops/dead-letters/groups?text=8%20retries&queue=order.hold").await;
    assert_eq!(narrowed.body["groups"].as_array().unwrap().len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let world = World::idle().await;
    let olga = operator(&world).await;
    let fill = "INSERT INTO dead_letters (id, message_id, queue, message_type, error_class, error_text, attempts, body,
                                          headers, last_died_at)
                SELECT gen_random_uuid(), n::text, 'order.hold', 'order.hold', 'panic', 'x', 1, '{}', '{}',
                       now() - (n / 10) * interval '1 s'
                  FROM generate_series(1, 250) AS n";
    world.execute(fill).await;
    let (mut ids, mut after) = (vec![], String::new());
    for length in [100, 100, 50] {
        let page = olga.get(&format!("/v1/ops/dead-letters?queue=order.hold&after={after}")).await.body;
        let letters = page["letters"].as_array().unwrap();
        assert_eq!(letters.len(), length);
        ids.extend(letters.iter().map(|letter| letter["id"].as_str().unwrap().to_owned()));
        after = page["next"].as_str().unwrap_or_default().to_owned();
    }
    assert!(after.is_empty());
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 250);
    world.finish().await;
}

#[tokio::test]
async fn a_letter_is_known_by_the_customer_and_skus_of_its_order_and_tells_its_story() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 5).await;
    let order = shop.place("mug", 1, 600).await.text("id").to_owned();
    let olga = operator(&world).await;
    world.execute("ALTER TABLE orders ADD CONSTRAINT never_cancelled CHECK (status <> 'cancelled')").await;
    let order_id = OrderId::from(order.parse::<Uuid>().unwrap());
    let command = CancelOrder { version: Version, command_id: CommandId::fresh(), order_id };
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    world.publish(Outgoing::command(&command, clock::now(), Some(trace))).await;
    world.dead_letter("database").await;

    let [id] = found(&olga, "customer=alice&sku=mug").await.try_into().unwrap();
    let path = format!("/v1/ops/dead-letters/{id}");
    let letter = olga.get(&path).await.body;
    assert_eq!((&letter["order_id"], &letter["skus"]), (&json!(order), &json!(["mug"])));
    assert_eq!(letter["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert!(letter["body"].as_str().unwrap().contains(&order), "{letter}");
    assert_eq!(
        (letter["deaths"].as_array().unwrap().len(), &letter["is_repeat_failure"]),
        (1, &json!(false))
    );

    let asked = json!({"ids": [id], "reason": "once more"});
    let replay = post(&olga, "/v1/ops/replays", &asked).await;
    assert_eq!(replay.status, 202, "{replay:?}");
    let letter = eventually("it dies again", async || {
        let letter = olga.get(&path).await.body;
        (letter["death_count"] == 2).then_some(letter)
    })
    .await;
    assert_eq!((&letter["is_repeat_failure"], &letter["replay_count"]), (&json!(true), &json!(1)));
    assert_eq!(letter["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(letter["deaths"].as_array().unwrap().len(), 2);
    assert_eq!(letter["actions"][0]["action"], "dead_letter.replay");
    assert_eq!(letter["actions"][0]["reason"], "once more");
    assert!(letter["replays"][0]["died_again_at"].is_string(), "{letter}");
    let replay = olga.get(&format!("/v1/ops/replays/{}", replay.text("id"))).await.body;
    assert_eq!((&replay["replayed"], &replay["died_again"]), (&json!(1), &json!(1)));
    let unknown = olga.get(&format!("/v1/ops/dead-letters/{}", Uuid::now_v7())).await;
    assert_eq!((unknown.status, olga.get("/v1/ops/dead-letters/7").await.status), (404, 404));
    world.finish().await;
}

#[tokio::test]
async fn what_was_discarded_can_be_restored_and_both_are_written_down() {
    let world = World::idle().await;
    let olga = operator(&world).await;
    let first = Letter::default().put(&world).await;
    let second = Letter::default().put(&world).await;
    let other = Letter { queue: "order.hold", ..Letter::default() }.put(&world).await;
    let (discard, restore) = ("/v1/ops/dead-letters/discard", "/v1/ops/dead-letters/restore");

    let matching = json!({"queue": "order.cancel"});
    let dry = post(&olga, discard, &json!({"filter": matching, "dry_run": true})).await;
    assert_eq!(dry.body, json!({"would_change": 2}));
    assert_eq!(post(&olga, discard, &json!({"filter": matching, "reason": " "})).await.status, 422);
    assert_eq!(post(&olga, discard, &json!({"reason": "no selection"})).await.status, 422);
    assert_eq!(
        post(&olga, discard, &json!({"filter": {"sku_code": "x"}, "reason": "typo"})).await.status,
        422
    );
    assert_eq!(post(&olga, discard, &json!({"ids": [Uuid::now_v7()], "reason": "none"})).await.status, 404);
    assert_eq!(found(&olga, "").await.len(), 3);

    let done = post(&olga, discard, &json!({"filter": matching, "reason": "a test"})).await;
    assert_eq!(done.body, json!({"changed": 2, "skipped": 0}));
    let again = post(&olga, discard, &json!({"ids": [first, other], "reason": "a test"})).await;
    assert_eq!(again.body, json!({"changed": 1, "skipped": 1}));

    let back = post(&olga, restore, &json!({"ids": [second]})).await;
    assert_eq!(back.body, json!({"changed": 1, "skipped": 0}));
    assert_eq!(found(&olga, "").await, [second.as_str()]);
    assert_eq!(found(&olga, "status=discarded").await.len(), 2);
    let acts: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT action, reason FROM operator_actions WHERE subject_id = $1 ORDER BY id")
            .bind(&second)
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let discarded = ("dead_letter.discard".to_owned(), Some("a test".to_owned()));
    assert_eq!(acts, [discarded, ("dead_letter.restore".to_owned(), None)]);
    world.finish().await;
}
