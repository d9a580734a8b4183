//! From the HTTP request on: to the committed hold at a fixed rate, and how many are accepted per second.

use std::time::Duration;

use crate::feed::Feed;
use crate::load;
use crate::options::Plan;
use crate::orders::Orders;
use crate::process::Program;
use crate::progress::Progress;
use crate::report::{Row, thousands};
use crate::servers::Servers;
use crate::stage::Stage;
use crate::timing;

const ORDERS: Orders = Orders { skus: 1_000, hold_seconds: 1_200 };
const CONNECTIONS: usize = 64;
/// Before a measurement the same load runs this long: caches fill, statements are prepared.
const WARM_UP: Duration = Duration::from_secs(2);

/// From the instant an order should have been sent to the commit of its hold.
pub(crate) async fn to_committed_hold(plan: &Plan, servers: &Servers) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (rate, share, limit) in [(3_000, 0.99, 60.0), (200, 0.5, 8.0)] {
        let progress = Progress::start(format!("HTTP to committed hold at {rate}/s"));
        let stage = Stage::open(servers, ORDERS.skus).await?;
        let (api, workers) = (stage.api().await?, stage.workers(&[]).await?);
        let warm = load::open_loop(api.address, ORDERS, rate, WARM_UP).await?;
        stage.checkpoint().await?;
        let intended = load::open_loop(api.address, ORDERS, rate, plan.http).await?;
        stage.wait_for_orders(warm.len() + intended.len()).await?;
        let latencies = timing::commit_latency(&stage.pool, &intended).await?;
        api.kill().await?;
        workers.kill().await?;
        stage.close().await?;
        progress.done(&format!("{}, max {:.0} ms", latencies.text(), latencies.max()));
        let goal = format!("p{:.0} ≤ {limit:.0} ms", share * 100.0);
        let row = Row::new(
            format!("HTTP request to committed hold at {}/s", thousands(rate as f64)),
            latencies.text(),
        );
        rows.push(row.goal(goal, latencies.percentile(share) <= limit));
    }
    Ok(rows)
}

/// Requests accepted per second, against a server that does nothing and against the broker alone.
pub(crate) async fn accepted(plan: &Plan, servers: &Servers) -> anyhow::Result<[Row; 2]> {
    let mut progress = Progress::start("HTTP requests accepted");
    let bare = bare_server().await?;
    load::closed_loop(bare.address, ORDERS, CONNECTIONS, WARM_UP).await?;
    let nothing = load::closed_loop(bare.address, ORDERS, CONNECTIONS, plan.accept).await?;
    bare.kill().await?;
    progress.show(&format!("{:.0}/s by a server that does nothing", nothing.per_second));

    let stage = Stage::open(servers, ORDERS.skus).await?;
    let feed = Feed::open(&stage).await;
    feed.closed_loop(ORDERS, CONNECTIONS, WARM_UP).await?;
    let published = feed.closed_loop(ORDERS, CONNECTIONS, plan.accept).await?;
    drop(feed);
    stage.close().await?;
    progress.show(&format!("{published:.0}/s by the broker alone"));

    let stage = Stage::open(servers, ORDERS.skus).await?;
    let api = stage.api().await?;
    load::closed_loop(api.address, ORDERS, CONNECTIONS, WARM_UP).await?;
    let ours = load::closed_loop(api.address, ORDERS, CONNECTIONS, plan.accept).await?;
    api.kill().await?;
    stage.close().await?;
    let ratio = ours.per_second / nothing.per_second;
    let result = format!("{}/s, {}", thousands(ours.per_second), ours.latencies.text());
    progress.done(&result);
    let row = Row {
        baseline: format!("{}/s, {} (bare axum)", thousands(nothing.per_second), nothing.latencies.text()),
        ratio: format!("{ratio:.2} ×"),
        ..Row::new(format!("HTTP orders accepted, {CONNECTIONS} connections"), result)
    };
    let alone = Row {
        baseline: format!("{}/s (the broker alone, without HTTP)", thousands(published)),
        ratio: format!("{:.2} ×", ours.per_second / published),
        ..Row::new(
            format!("HTTP orders accepted, against {CONNECTIONS} publishes in flight"),
            format!("{}/s", thousands(ours.per_second)),
        )
    };
    Ok([row.goal("≥ 0.25 ×", ratio >= 0.25), alone])
}

async fn bare_server() -> anyhow::Result<Program> {
    Program::start("holdfast-bench", &["bare-server"], "HOLDFAST_BENCH_LISTEN", &[]).await
}
