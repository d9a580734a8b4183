//! Counts what PostgreSQL reads: rows of tables that are walked, and entries of indexes, those of rows that are dead included.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor as _, PgPool};

use crate::support::eventually;
use crate::support::world::World;

/// The planner itself reads the ends of an index where it cannot tell from statistics what lies beyond.
const BY_THE_PLANNER: i64 = 100;

/// A world whose connections tell at once what they have read, instead of a second or ten later.
pub async fn metered_world() -> World {
    let mut world = World::idle().await;
    let options = (*world.pool.connect_options()).clone();
    world.pool = PgPoolOptions::new()
        .max_connections(16)
        .after_release(|conn, _| {
            Box::pin(async move {
                conn.execute("SELECT pg_stat_force_next_flush()").await?;
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    world
}

/// Rows read by walking each table, entries read of each index.
type Read = BTreeMap<String, i64>;

/// What was read more of than may be.
pub struct Meter {
    /// Something else than the world's pool, so that looking reads nothing that counts.
    own: PgPool,
    statistics: &'static str,
    wrong: Vec<String>,
}

impl Meter {
    pub fn new(world: &World) -> Self {
        let own = PgPoolOptions::new().max_connections(1).connect_lazy(&world.database_url).unwrap();
        Self { own, statistics: "stale", wrong: vec![] }
    }

    /// Has the statistics made anew.
    pub async fn analyze(&mut self) {
        sqlx::query("ANALYZE").execute(&self.own).await.unwrap();
        self.statistics = "fresh";
    }

    /// Does something with so many items, none of which may have more read than this.
    pub async fn measure<T>(
        &mut self,
        what: &str,
        (items, most): (i64, i64),
        work: impl AsyncFnOnce() -> T,
    ) -> T {
        let (done, mut read) = self.detailed(work).await;
        let in_all = read.iter().map(|(_, rows)| rows).sum::<i64>();
        println!("{what}: {} per item, at most {most}, {} statistics", in_all / items, self.statistics);
        if in_all > most * items + BY_THE_PLANNER {
            read.sort_by_key(|(_, rows)| Reverse(*rows));
            read.truncate(4);
            let per_item = in_all / items;
            self.wrong
                .push(format!("{what}: {per_item} per item, not {most}, {}: {read:?}", self.statistics));
        }
        done
    }

    /// Does something, and returns how much was read for it.
    pub async fn count<T>(&self, work: impl AsyncFnOnce() -> T) -> (T, i64) {
        let (done, read) = self.detailed(work).await;
        (done, read.iter().map(|(_, rows)| rows).sum())
    }

    /// [`Self::count`] by table and index.
    async fn detailed<T>(&self, work: impl AsyncFnOnce() -> T) -> (T, Vec<(String, i64)>) {
        let before = self.quiet().await;
        let done = work().await;
        let read = self.quiet().await.into_iter();
        let new = read.map(|(name, rows)| {
            let known = before.get(&name).copied().unwrap_or(0);
            (name, rows - known)
        });
        (done, new.collect())
    }

    /// What has been read so far, once nobody is reading any more.
    async fn quiet(&self) -> Read {
        let mut last = Read::new();
        eventually("nobody reads any more", async || {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let now = self.read_so_far().await;
            (std::mem::replace(&mut last, now.clone()) == now).then_some(now)
        })
        .await
    }

    async fn read_so_far(&self) -> Read {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT relname::text, seq_tup_read FROM pg_stat_user_tables WHERE NOT relname = ANY($1)
              UNION ALL
             SELECT indexrelname::text, idx_tup_read FROM pg_stat_user_indexes WHERE NOT relname = ANY($1)",
        )
        // What processes write about themselves, whatever is going on.
        .bind(["worker_processes", "worker_pools", "paused_pools", "queue_looks", "_sqlx_migrations"])
        .fetch_all(&self.own)
        .await
        .unwrap();
        rows.into_iter().collect()
    }

    /// Fails the test if anything was too much.
    pub async fn finish(self) {
        self.own.close().await;
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
    }
}
