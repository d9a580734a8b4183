//! Holds per second: hand-written SQL, a full queue, orders that keep coming, and one order per transaction.

use std::time::{Duration, Instant};

use holdfast::clock;
use tokio::time::sleep;

use crate::feed::Feed;
use crate::options::{Phase, Plan};
use crate::orders::Orders;
use crate::pgbench;
use crate::progress::Progress;
use crate::servers::Servers;
use crate::stage::Stage;
use crate::timing::{Commits, epoch_seconds};

/// Which SKUs the orders name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// One of a thousand.
    Uniform,
    Hot,
}

impl Load {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Hot => "hot",
        }
    }

    fn skus(self) -> u32 {
        match self {
            Self::Uniform => 1_000,
            Self::Hot => 1,
        }
    }

    fn orders(self) -> Orders {
        Orders { skus: self.skus(), hold_seconds: 1_200 }
    }
}

/// Holds per second of every repetition; empty where it was not measured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rates {
    pub(crate) sql: Vec<f64>,
    pub(crate) drained: Vec<f64>,
    pub(crate) live: Vec<f64>,
    pub(crate) single: Vec<f64>,
}

/// Measures a load again and again, the kinds in turn, so that a slow minute of the machine meets all of them.
pub(crate) async fn measure(plan: &Plan, servers: &Servers, load: Load) -> anyhow::Result<Rates> {
    let mut rates = Rates::default();
    for _ in 0..plan.repeats {
        if plan.wants(Phase::Sql) {
            rates.sql.push(sql(servers, load, plan.sql_seconds).await?);
        }
        if plan.wants(Phase::Drained) {
            rates.drained.push(drained(servers, load, plan.drained_orders, "", &[]).await?);
        }
        if plan.wants(Phase::Live) {
            rates.live.push(live(servers, load, plan.live).await?);
        }
        if plan.wants(Phase::Single) {
            let pools = "order.hold=8,order.expire,order.cancel,order.extend,payment.confirm,dead-letters,\
                         sweep,relay,audit";
            let one = [("HOLDFAST_HOLD_BATCH_SIZE", "1"), ("HOLDFAST_POOLS", pools)];
            let name = ", one order per transaction";
            rates.single.push(drained(servers, load, plan.single_orders, name, &one).await?);
        }
    }
    Ok(rates)
}

async fn sql(servers: &Servers, load: Load, seconds: u64) -> anyhow::Result<f64> {
    let progress = Progress::start(format!("pgbench, {}", load.name()));
    let stage = Stage::open(servers, load.skus()).await?;
    stage.checkpoint().await?;
    pgbench::run(&stage, &format!("hold_{}", load.name()), seconds).await?;
    let commits = Commits::of_all(&stage.pool).await?;
    stage.close().await?;
    progress.done(&format!("{:.0} holds/s", commits.rate()));
    Ok(commits.rate())
}

async fn drained(
    servers: &Servers,
    load: Load,
    count: usize,
    name: &str,
    settings: &[(&str, &str)],
) -> anyhow::Result<f64> {
    let mut progress = Progress::start(format!("drained, {}{name}", load.name()));
    let stage = Stage::open(servers, load.skus()).await?;
    let feed = Feed::open(&stage).await;
    feed.pour(load.orders(), count, || false, &mut progress).await?;
    stage.checkpoint().await?;
    let workers = stage.workers(settings).await?;
    loop {
        let waiting = stage.depth("order.hold").await?;
        progress.count("orders taken", (count as u64).saturating_sub(waiting));
        if waiting == 0 {
            break;
        }
        sleep(Duration::from_millis(250)).await;
    }
    stage.wait_for_orders(count).await?;
    let commits = Commits::of_all(&stage.pool).await?;
    workers.kill().await?;
    stage.close().await?;
    progress.done(&format!("{:.0} holds/s ({:.0} in the middle)", commits.rate(), commits.middle_rate()));
    Ok(commits.rate())
}

async fn live(servers: &Servers, load: Load, time: Duration) -> anyhow::Result<f64> {
    let mut progress = Progress::start(format!("live, {}", load.name()));
    let stage = Stage::open(servers, load.skus()).await?;
    let feed = Feed::open(&stage).await;
    stage.checkpoint().await?;
    let workers = stage.workers(&[]).await?;
    let (started, from) = (Instant::now(), clock::now());
    let over = || started.elapsed() >= time;
    let published = feed.pour_in_step(&stage, load.orders(), usize::MAX, over, &mut progress).await?;
    let to = clock::now();
    let waiting = stage.depth("order.hold").await?;
    workers.kill().await?;
    let commits = Commits::between(&stage.pool, epoch_seconds(from), epoch_seconds(to)).await?;
    stage.close().await?;
    progress.done(&format!("{:.0} holds/s; {published} published, {waiting} left waiting", commits.rate()));
    Ok(commits.rate())
}
