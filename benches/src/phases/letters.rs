//! How long operators wait for their lists when a great many messages have died.

use std::time::Instant;

use anyhow::ensure;

use crate::http::{Connection, request};
use crate::options::Plan;
use crate::process::Program;
use crate::progress::Progress;
use crate::report::{Row, thousands};
use crate::servers::Servers;
use crate::stage::{OPERATOR_TOKEN, Stage};
use crate::timing;

const FILL: &str = include_str!("../../sql/dead_letters.sql");
/// How often each list is asked for.
const TIMES: usize = 20;
const COUNT: &str = "SELECT count(*) FROM dead_letters";
const GOAL_MS: f64 = 100.0;
/// A list by each kind of filter; texts are looked for without an index, and one of them is nowhere.
const LISTS: [&str; 16] = [
    "",
    "?status=any",
    "?queue=order.refund",
    "?queue=nothing",
    "?error_class=panic&message_type=order.hold",
    "?error_class=nothing",
    "?status=any&queue=nothing",
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

/// The slowest list, beside counting them all by hand.
pub(crate) async fn lists(plan: &Plan, servers: &Servers) -> anyhow::Result<Row> {
    let number = thousands(plan.dead_letters as f64);
    let mut progress = Progress::start(format!("Lists of {number} dead letters"));
    let stage = Stage::open(servers, 1).await?;
    sqlx::query(FILL).bind(1).bind(i64::try_from(plan.dead_letters)?).execute(&stage.pool).await?;
    let api = stage.api().await?;
    let by_hand = median_ms(async || Ok(sqlx::query(COUNT).execute(&stage.pool).await.map(|_| ())?)).await?;
    let mut slowest = (0.0, "");
    for list in LISTS {
        let mut asking = Asking::new(&api, &format!("/v1/ops/dead-letters{list}")).await?;
        let took = median_ms(async || asking.ask().await).await?;
        progress.show(&format!("{took:.1} ms {list}"));
        if took > slowest.0 {
            slowest = (took, list);
        }
    }
    api.kill().await?;
    stage.close().await?;
    let (took, list) = slowest;
    let result = format!("slowest {took:.0} ms ({list})");
    progress.done(&result);
    let row = Row {
        baseline: format!("{by_hand:.0} ms (SELECT count(*))"),
        ratio: format!("{:.1} ×", took / by_hand),
        ..Row::new(format!("Lists and groups of {number} dead letters"), result)
    };
    Ok(row.goal(format!("≤ {GOAL_MS:.0} ms"), took <= GOAL_MS))
}

/// One list, asked for over one connection.
struct Asking {
    connection: Connection,
    request: Vec<u8>,
}

impl Asking {
    async fn new(api: &Program, path: &str) -> anyhow::Result<Self> {
        let headers = format!("Authorization: Bearer {OPERATOR_TOKEN}\r\n");
        let connection = Connection::open(api.address).await?;
        Ok(Self { connection, request: request("GET", path, &headers, "") })
    }

    async fn ask(&mut self) -> anyhow::Result<()> {
        let answer = self.connection.send(&self.request).await?;
        ensure!(answer.status == 200, "{}: {}", answer.status, String::from_utf8_lossy(answer.body));
        Ok(())
    }
}

/// How long it takes as a rule.
async fn median_ms(mut work: impl AsyncFnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut took = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let began = Instant::now();
        work().await?;
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(timing::median(&took))
}
