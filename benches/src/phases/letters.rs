//! How long operators wait for their lists when a great many messages have died.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::http::{Connection, request};
use crate::options::Plan;
use crate::process::Program;
use crate::progress::Progress;
use crate::report::{Row, thousands};
use crate::servers::Servers;
use crate::stage::{OPERATOR_TOKEN, Stage};
use crate::timing::Latencies;

const FILL: &str = include_str!("../../sql/dead_letters.sql");
/// How often each list is asked for.
const TIMES: usize = 20;
const GOAL_MS: f64 = 100.0;
/// A list by each kind of filter; texts are looked for without an index, and one of them is nowhere.
const LISTS: [&str; 14] = [
    "",
    "?status=any",
    "?queue=order.refund",
    "?queue=nothing",
    "?error_class=panic&message_type=order.hold",
    "?sku=sku-7",
    "?customer=c-77",
    "?from=2020-01-01&to=2020-01-02",
    "?text=sku-7",
    "?text=nowhere%20at%20all",
    "?text=nowhere&queue=order.hold",
    "/groups",
    "/groups?status=any",
    "/groups?text=nowhere",
];

/// The slowest list, beside a page that reads nothing.
pub(crate) async fn lists(plan: &Plan, servers: &Servers) -> anyhow::Result<Row> {
    let number = thousands(plan.dead_letters as f64);
    let mut progress = Progress::start(format!("Lists of {number} dead letters"));
    let stage = Stage::open(servers, 1).await?;
    sqlx::query(FILL).bind(1).bind(plan.dead_letters).execute(&stage.pool).await?;
    let api = stage.api().await?;
    let nothing = median(&api, "/livez").await?;
    let mut slowest = (Duration::ZERO, "");
    for list in LISTS {
        let took = median(&api, &format!("/v1/ops/dead-letters{list}")).await?;
        progress.show(&format!("{:.1} ms {list}", milliseconds(took)));
        slowest = slowest.max((took, list));
    }
    api.kill().await?;
    stage.close().await?;
    let (took, list) = (milliseconds(slowest.0), slowest.1);
    let result = format!("slowest {took:.0} ms ({list})");
    progress.done(&result);
    let row = Row {
        baseline: format!("{:.1} ms (a page that reads nothing)", milliseconds(nothing)),
        ratio: format!("{:.0} ×", took / milliseconds(nothing)),
        ..Row::new(format!("Lists and groups of {number} dead letters"), result)
    };
    Ok(row.goal(format!("≤ {GOAL_MS:.0} ms"), took <= GOAL_MS))
}

/// How long a page takes as a rule.
async fn median(api: &Program, path: &str) -> anyhow::Result<Duration> {
    let headers = format!("Authorization: Bearer {OPERATOR_TOKEN}\r\n");
    let request = request("GET", path, &headers, "");
    let mut connection = Connection::open(api.address).await?;
    let mut took = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let asked = Instant::now();
        let answer = connection.send(&request).await?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
        took.push(milliseconds(asked.elapsed()));
    }
    Ok(Duration::from_secs_f64(Latencies::new(took).percentile(0.5) / 1_000.0))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
