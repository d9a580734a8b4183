//! The end of holds: many at one instant, and how late each is at a steady rate.

use std::time::Duration;

use chrono::{DurationRound as _, TimeDelta};
use holdfast::clock;
use tokio::time::{Instant, sleep};

use crate::feed::Feed;
use crate::options::Plan;
use crate::orders::Orders;
use crate::process::Program;
use crate::progress::Progress;
use crate::report::{Row, thousands};
use crate::servers::Servers;
use crate::stage::Stage;
use crate::timing::{Commits, Latencies, epoch_seconds, release_lateness};

const SKUS: u32 = 1_000;
const STEADY_RATE: f64 = 500.0;

/// Many holds due at one instant.
pub(crate) async fn at_one_instant(servers: &Servers, count: usize) -> anyhow::Result<Vec<Row>> {
    let number = thousands(count as f64);
    let mut progress = Progress::start(format!("{number} holds due at one instant"));
    let stage = Stage::open(servers, SKUS).await?;
    // Long enough that none is due before all are held and have got their common deadline.
    let hold_seconds = i64::try_from(10 + count / 5_000)?;
    let feed = Feed::open(&stage).await;
    feed.pour(Orders { skus: SKUS, hold_seconds }, count, || false, &mut progress).await?;
    let workers = stage.workers(&[]).await?;
    stage.wait_for_orders(count).await?;
    let due = set_deadline(&stage, count, hold_seconds).await?;
    wait_for_releases(&stage, &mut progress).await?;

    let commits = Commits::of_all(&stage.pool).await?;
    let late = release_lateness(&stage.pool, due - 1.0, due + 1.0).await?;
    let swept = close(stage, workers).await?;
    let all_after = late.max() / 1_000.0;
    let result = format!(
        "all within {all_after:.2} s of it (p50 {:.2} s, p99 {:.2} s){swept}",
        late.percentile(0.5) / 1_000.0,
        late.percentile(0.99) / 1_000.0
    );
    progress.done(&format!("{result}; {:.0} releases/s", commits.rate()));
    let row = Row::new(format!("{number} holds due at one instant"), result);
    let row = if count >= 100_000 { row.goal("≤ 6 s", all_after <= 6.0) } else { row };
    let rate =
        Row::new(format!("Releases/s, {number} due together"), format!("{}/s", thousands(commits.rate())));
    Ok(vec![row, rate.goal("≥ 20,000/s", commits.rate() >= 20_000.0)])
}

/// Gives all holds one deadline: a while after the last of their timers will have woken. Each then finds that it is
/// early and arms itself anew. Returns the deadline in seconds of the clock.
async fn set_deadline(stage: &Stage, count: usize, hold_seconds: i64) -> anyhow::Result<f64> {
    let due = (clock::now() + TimeDelta::seconds(hold_seconds + 4)).duration_trunc(TimeDelta::seconds(1))?;
    let moved = sqlx::query("UPDATE orders SET expires_at = $1 WHERE status = 'held'")
        .bind(due)
        .execute(&stage.pool)
        .await?;
    anyhow::ensure!(moved.rows_affected() == count as u64, "holds ended before they had their deadline");
    stage.checkpoint().await?;
    Ok(epoch_seconds(due))
}

async fn wait_for_releases(stage: &Stage, progress: &mut Progress) -> anyhow::Result<()> {
    loop {
        let held: i64 = sqlx::query_scalar("SELECT count(*) FROM orders WHERE status = 'held'")
            .fetch_one(&stage.pool)
            .await?;
        if held == 0 {
            return Ok(());
        }
        progress.show(&format!("{held} held"));
        sleep(Duration::from_millis(500)).await;
    }
}

/// Ends a measurement. Returns a remark if the sweeper had to help.
async fn close(stage: Stage, workers: Program) -> anyhow::Result<String> {
    let swept = workers.metric("holdfast_swept_holds_total").await?;
    workers.kill().await?;
    stage.close().await?;
    Ok(if swept > 0.0 { format!(", {swept:.0} by the sweeper") } else { String::new() })
}

/// How late holds end at a steady rate: one window is a rung of the delay ladder, the other takes several hops.
pub(crate) async fn at_a_steady_rate(plan: &Plan, servers: &Servers) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (hold_seconds, hops) in [(4, "one hop"), (7, "several hops")] {
        let measure = format!("Lateness of releases at 500/s, {hold_seconds} s holds ({hops})");
        let mut progress = Progress::start(measure.clone());
        let (late, swept) = steadily(plan, servers, hold_seconds, &mut progress).await?;
        progress.done(&format!("{}, max {:.0} ms{swept}", late.text(), late.max()));
        let row = Row::new(measure, format!("{}{swept}", late.text()));
        rows.push(row.goal("p99 ≤ 50 ms", late.percentile(0.99) <= 50.0));
    }
    Ok(rows)
}

async fn steadily(
    plan: &Plan,
    servers: &Servers,
    hold_seconds: i64,
    progress: &mut Progress,
) -> anyhow::Result<(Latencies, String)> {
    let stage = Stage::open(servers, SKUS).await?;
    let feed = Feed::open(&stage).await;
    let workers = stage.workers(&[]).await?;
    stage.checkpoint().await?;
    let count = (STEADY_RATE * plan.lateness.as_secs_f64()) as u64;
    let orders = Orders { skus: SKUS, hold_seconds };
    feed.pace(Instant::now(), STEADY_RATE, count, |_| orders.next()?.command()).await?;
    stage.wait_for_orders(usize::try_from(count)?).await?;
    wait_for_releases(&stage, progress).await?;
    let late = release_lateness(&stage.pool, 0.0, f64::from(u32::MAX)).await?;
    anyhow::ensure!(late.count() as u64 == count, "some holds did not expire");
    Ok((late, close(stage, workers).await?))
}
