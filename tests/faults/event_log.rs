//! The event log: however much is unread, a reader reads few facts at once; and what a dump restored elsewhere does to it.

use std::process::{Command, Output};

use holdfast::config::DEFAULT_TIME_ZONE;
use holdfast::store::effects::EffectKind;
use holdfast::store::events::cursors::{self, Cursor, CursorLook, LogPosition};
use holdfast::store::events::{feed, figures, relay, restored_log};
use holdfast::store::workers::backlog;
use serde_json::Value;
use sqlx::PgConnection;

use crate::relay::Listener;
use crate::support::eventually;
use crate::support::processes::{HOLDFAST, Process, at_desk, of};
use crate::support::world::World;

/// Facts of one transaction, which alone is more than anybody reads at once.
const PART: i64 = 50_000;
const PIECE: i64 = 5_000;
const AT_ONCE: i64 = 1_000;
/// The planner itself reads the ends of an index where it cannot tell from statistics what lies beyond.
const BY_THE_PLANNER: i64 = 20;

#[tokio::test]
async fn a_reader_reads_few_facts_at_once_however_many_are_unread() {
    let world = World::idle().await;
    world.execute("ALTER TABLE order_events SET (autovacuum_enabled = off)").await;
    for _ in 0..4 {
        let mut tx = world.pool.begin().await.unwrap();
        // It is the readers that are tested: filling may take as long as it does on a slow machine.
        sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await.unwrap();
        for _ in 0..PART / PIECE {
            let facts = "INSERT INTO order_events (transaction_id, order_id, type, data)
                         SELECT (SELECT log_transaction_id()), gen_random_uuid(),
                                (ARRAY['order.held', 'order.paid'])[1 + n % 2], '{\"amount_won\": 1}'
                           FROM generate_series(1, $1) AS n";
            sqlx::query(facts).bind(PIECE).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    let mut wrong = vec![];
    for statistics in [false, true] {
        if statistics {
            world.execute("ANALYZE order_events").await;
        }
        for place in ["at the beginning", "within a transaction"] {
            let mut tx = world.pool.begin().await.unwrap();
            if place == "within a transaction" {
                for (cursor, _) in Cursor::ALL {
                    let look = cursors::look(&mut tx, cursor).await.unwrap();
                    let (part, _) = relay::next_part(&mut tx, &look, AT_ONCE).await.unwrap();
                    assert!(part.is_full && part.to.id > 0, "{part:?}");
                    assert!(cursors::advance(&mut tx, cursor, &part).await.unwrap());
                    let moved = cursors::look(&mut tx, cursor).await.unwrap();
                    assert_eq!(moved.position, part.to);
                }
            }
            for (what, most, read) in reads(&mut tx).await {
                if read > most + BY_THE_PLANNER {
                    wrong.push(format!("{what} {place}: {read}, not {most}, statistics {statistics}"));
                }
            }
            tx.rollback().await.unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // They are facts of no orders, which the audit would name.
    world.execute("ALTER TABLE order_events DISABLE TRIGGER order_events_append_only").await;
    world.execute("TRUNCATE order_events").await;
    world.finish().await;
}

/// What is read by whom, how much of it may be, and how much it was.
async fn reads(tx: &mut PgConnection) -> Vec<(&'static str, i64, i64)> {
    let mut found = vec![];
    let mut before = facts_read(tx).await;
    let mut note = async |tx: &mut PgConnection, what: &'static str, most: i64| {
        let now = facts_read(tx).await;
        found.push((what, most, now - before));
        before = now;
    };
    let of = async |tx: &mut PgConnection, cursor: Cursor| -> CursorLook {
        cursors::look(tx, cursor).await.unwrap()
    };

    let look = of(tx, Cursor::Events).await;
    let (_, facts) = relay::next_part(tx, &look, AT_ONCE).await.unwrap();
    assert_eq!(facts.len(), 1_000);
    note(tx, "the relay", AT_ONCE).await;
    assert!(relay::is_behind(tx, look.position).await.unwrap());
    note(tx, "whether the relay is behind", 1).await;

    let look = of(tx, Cursor::Effects).await;
    assert!(feed::is_behind(tx, look.position).await.unwrap());
    note(tx, "whether the feed is behind", 1).await;
    let part = feed::next_part(tx, &look, AT_ONCE).await.unwrap();
    note(tx, "the feed's part", AT_ONCE).await;
    feed::count_customers(tx, &part).await.unwrap();
    note(tx, "customers", AT_ONCE).await;
    feed::count_sales(tx, &part, DEFAULT_TIME_ZONE).await.unwrap();
    note(tx, "sales", AT_ONCE).await;
    feed::fill_outbox(tx, &part, &[EffectKind::Mail]).await.unwrap();
    note(tx, "the outbox", AT_ONCE).await;

    let look = of(tx, Cursor::Figures).await;
    let part = figures::next_part(tx, &look, AT_ONCE).await.unwrap();
    figures::count(tx, &part).await.unwrap();
    note(tx, "figures", 3 * AT_ONCE).await;
    for (cursor, name) in Cursor::ALL {
        backlog::unread(tx, cursor, AT_ONCE).await.unwrap();
        note(tx, name, AT_ONCE).await;
    }
    assert!(!restored_log::notice(tx).await.unwrap());
    note(tx, "whether the log is ahead", 1).await;
    let start = LogPosition { transaction: 0, id: 0 };
    restored_log::count_new(tx, start, None, AT_ONCE).await.unwrap();
    note(tx, "a step of the dry run", AT_ONCE).await;
    found
}

/// What this connection has read and not reported yet, which it does between transactions only.
async fn facts_read(conn: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT (seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_xact_user_tables WHERE relname = 'order_events'",
    )
    .fetch_one(conn)
    .await
    .unwrap()
}

async fn holdfast(world: &World, arguments: &[&str]) -> Output {
    let mut command = Command::new(&*HOLDFAST);
    at_desk(world.desk().await, of(world, command.args(arguments)));
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn says(world: &World, arguments: &[&str]) -> String {
    let output = holdfast(world, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn after_a_restore_into_another_cluster_nothing_is_skipped_or_told_twice() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 100).await;
    let published = Listener::start(&world).await;
    let mut all = Process::worker(&world, "");
    shop.charge(100_000).await;
    let paid = shop.place("mug", 1, 600).await.text("id").to_owned();
    shop.pay(&paid).await;
    let held = shop.place("mug", 1, 600).await.text("id").to_owned();
    let counted = async |orders: i64| {
        eventually("what is paid is counted", async || {
            (shop.get("/v1/customer").await.body["order_count"] == orders).then_some(())
        })
        .await;
    };
    counted(1).await;
    published.until_complete(&world).await;
    all.stop().await;
    // Nobody has read these when the dump is made.
    let mut till = Process::worker(&world, "order.hold,payment.confirm");
    let unread = shop.place("mug", 1, 600).await.text("id").to_owned();
    shop.pay(&unread).await;
    till.stop().await;

    // The dump comes from a server that was far ahead.
    let mut tx = world.pool.begin().await.unwrap();
    for sql in [
        "SELECT set_config('holdfast.renumbers_facts', 'on', true)",
        "UPDATE order_events SET transaction_id = (transaction_id::text::bigint + 1000000000)::text::xid8",
        "UPDATE relay_cursors SET from_transaction = (from_transaction::text::bigint + 1000000000)::text::xid8,
                                  to_transaction = (to_transaction::text::bigint + 1000000000)::text::xid8",
    ] {
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    let told = published.count();

    let all = Process::worker(&world, "");
    all.until_logged("the relay of events refuses to read").await;
    all.until_logged("the feed of effects refuses to read").await;
    // Business goes on, with old orders and new ones.
    shop.pay(&held).await;
    let new = shop.place("mug", 1, 600).await.text("id").to_owned();
    shop.pay(&new).await;
    let health: Value =
        serde_json::from_slice(&holdfast(&world, &["health", "--json"]).await.stdout).unwrap();
    let found = health["findings"].as_array().unwrap().iter().any(|one| one["code"] == "event_log_ahead");
    assert!(found && health["verdict"] == "wrong", "{health:#}");
    assert!(says(&world, &["cursors"]).await.contains("ahead of the server"));
    let dry = says(&world, &["cursors", "reset"]).await;
    assert!(dry.contains("; 3 were written since"), "{dry}");
    assert_eq!(world.count("SELECT id_offset FROM event_log").await, 0);
    assert_eq!(published.count(), told, "somebody has read");

    // A writer in the midst of it is waited for, and what it wrote comes along.
    let mut writing = world.pool.begin().await.unwrap();
    let extended = "INSERT INTO order_events (order_id, type, data, sequence)
                    VALUES ($1::text::uuid, 'order.extended', '{}', 3)";
    sqlx::query(extended).bind(&new).execute(&mut *writing).await.unwrap();
    let reset = says(&world, &["cursors", "reset", "--yes", "--reason", "restored"]);
    let finishing = async {
        eventually("the reset waits", async || {
            (world
                .count("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock'")
                .await
                > 0)
            .then_some(())
        })
        .await;
        writing.commit().await.unwrap();
    };
    let (done, ()) = tokio::join!(reset, finishing);
    assert!(done.contains("4 facts written since"), "{done}");

    shop.place("mug", 1, 600).await;
    published.until_complete(&world).await;
    counted(4).await;
    published.assert_in_order_per_order();
    assert_eq!(published.count(), published.ids().len(), "a fact came twice");
    assert!(says(&world, &["cursors", "reset"]).await.contains("nothing to reset"));
    assert_eq!(world.count("SELECT count(*) FROM event_log WHERE id_offset > 1000000000").await, 1);
    let acts =
        "SELECT count(*) FROM operator_actions WHERE action = 'event_log.reset' AND reason = 'restored'";
    assert_eq!(world.count(acts).await, 1);
    world.finish().await;
}
