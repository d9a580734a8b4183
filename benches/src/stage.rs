//! A clean state for one measurement: a database and a virtual host of its own, with a catalogue.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use holdfast::broker::connection::Connector;
use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::time::sleep;

use crate::process::{self, Program};
use crate::servers::{PREFIX, Servers};

/// Units of every SKU: more than any measurement takes.
const ON_HAND: i32 = 1_000_000_000;
/// The shop's token of every measurement.
pub(crate) const SHOP_TOKEN: &str = "the-shop-of-the-benchmark";
/// The operator's token of every measurement.
pub(crate) const OPERATOR_TOKEN: &str = "the-operator-of-the-benchmark";
/// What every SKU costs, in won.
pub(crate) const PRICE_WON: i64 = 10;

static NUMBER: AtomicU32 = AtomicU32::new(1);

pub(crate) struct Stage {
    name: String,
    servers: Servers,
    pub(crate) database_url: String,
    pub(crate) amqp_url: String,
    pub(crate) pool: PgPool,
    probe: Channel,
}

impl Stage {
    /// Creates it, with a catalogue of so many SKUs.
    pub(crate) async fn open(servers: &Servers, skus: u32) -> anyhow::Result<Self> {
        // Never a name of an earlier run: a program that outlived it must not join in.
        let name = format!("{PREFIX}{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        servers.create(&name).await?;
        let (database_url, amqp_url) = (servers.database_url(&name), servers.amqp_url(&name));
        let environment = [
            ("DATABASE_URL", database_url.as_str()),
            ("AMQP_URL", amqp_url.as_str()),
            ("HOLDFAST_BOOTSTRAP_SHOP_TOKEN", SHOP_TOKEN),
            ("HOLDFAST_BOOTSTRAP_OPERATOR_TOKEN", OPERATOR_TOKEN),
        ];
        process::run("holdfast", &["migrate"], &environment).await?;
        process::run("holdfast", &["topology", "declare"], &environment).await?;
        let pool = PgPoolOptions::new().max_connections(4).connect(&database_url).await?;
        fill_catalogue(&pool, skus).await?;
        let probe = Connector::new(&amqp_url, "holdfast-bench probe").channel().await?;
        Ok(Self { name, servers: servers.clone(), database_url, amqp_url, pool, probe })
    }

    /// Starts the workers. Without `pools` there is one runner of each.
    pub(crate) async fn workers(&self, settings: &[(&str, &str)]) -> anyhow::Result<Program> {
        let mut environment = self.environment();
        environment.extend_from_slice(settings);
        Program::start("holdfast-workers", &[], "HOLDFAST_WORKERS_LISTEN", &environment).await
    }

    pub(crate) async fn api(&self) -> anyhow::Result<Program> {
        Program::start("holdfast", &["serve"], "HOLDFAST_LISTEN", &self.environment()).await
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        vec![("DATABASE_URL", &self.database_url), ("AMQP_URL", &self.amqp_url)]
    }

    /// Both sides of a comparison start right after a checkpoint.
    pub(crate) async fn checkpoint(&self) -> anyhow::Result<()> {
        sqlx::query("CHECKPOINT").execute(&self.pool).await?;
        Ok(())
    }

    /// Messages waiting in a queue.
    pub(crate) async fn depth(&self, queue: &str) -> anyhow::Result<u64> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = self.probe.queue_declare(queue.into(), passive, FieldTable::default()).await?;
        Ok(queue.message_count().into())
    }

    /// How many orders have been decided.
    pub(crate) async fn decided(&self) -> anyhow::Result<u64> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&self.pool).await?;
        Ok(u64::try_from(count)?)
    }

    /// Waits until the workers have decided `count` orders.
    pub(crate) async fn wait_for_orders(&self, count: usize) -> anyhow::Result<()> {
        while self.decided().await? < count as u64 {
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Checks the truths, then removes it. Whatever runs on it must have ended.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        let audited = process::run("holdfast", &["audit"], &self.environment()).await;
        audited.context("THE AUDIT IS NOT CLEAN")?;
        self.pool.close().await;
        self.servers.remove(&self.name).await
    }
}

async fn fill_catalogue(pool: &PgPool, skus: u32) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query(
        "INSERT INTO skus (code, name, price_won)
         SELECT 'sku-' || n, 'Product ' || n, $2 FROM generate_series(1, $1) AS n ORDER BY n",
    )
    .bind(i64::from(skus))
    .bind(PRICE_WON)
    .execute(&mut *tx)
    .await?;
    sqlx::query("INSERT INTO stock (sku_id, on_hand) SELECT id, $1 FROM skus ORDER BY id")
        .bind(ON_HAND)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO stock_movements (sku_id, on_hand_change, reason)
         SELECT sku_id, on_hand, 'received' FROM stock ORDER BY sku_id",
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    sqlx::query("VACUUM ANALYZE skus, stock").execute(pool).await?;
    Ok(())
}
