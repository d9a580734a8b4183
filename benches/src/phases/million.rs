//! What a million open holds cost the broker: their timers wait there.

use std::time::Duration;

use tokio::time::sleep;

use crate::feed::Feed;
use crate::options::Plan;
use crate::orders::Orders;
use crate::progress::Progress;
use crate::report::{Row, thousands};
use crate::servers::Servers;
use crate::stage::Stage;

const ORDERS: Orders = Orders { skus: 1_000, hold_seconds: 86_400 };
const MEGABYTE: f64 = 1e6;
/// The broker collects its garbage when it has a quiet moment.
const REST: Duration = Duration::from_secs(30);
const GOAL_MB: f64 = 300.0;

pub(crate) async fn open_holds(plan: &Plan, servers: &Servers) -> anyhow::Result<Row> {
    let number = thousands(plan.open_holds as f64);
    let mut progress = Progress::start(format!("{number} open holds"));
    let rest = if plan.quick { REST / 10 } else { REST };
    let stage = Stage::open(servers, ORDERS.skus).await?;
    let feed = Feed::open(&stage).await;
    let workers = stage.workers(&[]).await?;
    sleep(rest).await;
    let before = servers.memory().await?;
    feed.pour_in_step(&stage, ORDERS, plan.open_holds, || false, &mut progress).await?;
    stage.wait_for_orders(plan.open_holds).await?;
    sleep(rest).await;
    let after = servers.memory().await?;
    workers.kill().await?;
    stage.close().await?;

    let megabytes = |bytes: u64| bytes as f64 / MEGABYTE;
    let more = |after: u64, before: u64| megabytes(after) - megabytes(before);
    let (resident, used) = (more(after.resident, before.resident), more(after.used, before.used));
    let result = format!("{resident:+.0} MB resident, {used:+.0} MB by its own count");
    progress.done(&result);
    let row = Row {
        baseline: format!("{:.0} MB, {:.0} MB before", megabytes(before.resident), megabytes(before.used)),
        ..Row::new(format!("Memory of the broker for {number} open holds"), result)
    };
    Ok(row.goal(format!("< {GOAL_MB:.0} MB"), resident.max(used) < GOAL_MB))
}
