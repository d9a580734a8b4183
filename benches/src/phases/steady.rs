//! A steady life: orders come, half of them are paid two seconds later, the others run out after eight.

use std::time::Duration;

use holdfast::clock;
use holdfast::domain::ids::CommandId;
use holdfast::message::{ConfirmPayment, PayBy, Version};
use tokio::time::{Instant, sleep};

use crate::feed::Feed;
use crate::options::Plan;
use crate::orders::{Orders, Wish};
use crate::process::Program;
use crate::progress::Progress;
use crate::report::{Row, thousands};
use crate::servers::Servers;
use crate::stage::Stage;
use crate::timing::{epoch_seconds, release_lateness};

const HOLD_SECONDS: i64 = 8;
const PAID_AFTER: Duration = Duration::from_secs(2);
const ORDERS: Orders = Orders { skus: 1_000, hold_seconds: HOLD_SECONDS };
/// Customers with a wallet: enough that none meets the limit of holds.
const PAYERS: u64 = 200_000;
const WALLET_WON: i64 = 100_000;
const QUEUES: [&str; 3] = ["order.hold", "payment.confirm", "order.expire"];
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);
const FIRST_RATE: f64 = 2_000.0;
const STEP: f64 = 1.4;
/// The long run takes this share of the highest rate that a short one could hold: tables and their indexes grow.
const SHARE: f64 = 0.75;

/// Finds the highest rate that holds for a short while, then lives at three quarters of it for long.
pub(crate) async fn life(plan: &Plan, servers: &Servers) -> anyhow::Result<Vec<Row>> {
    let mut highest = FIRST_RATE;
    let mut rate = FIRST_RATE;
    let mut progress = Progress::start("steady life, looking for the rate");
    loop {
        let run = live(servers, rate, plan.probe, &mut Progress::silent()).await?;
        progress.show(&format!("{rate:.0}/s: at most {} waiting, {}", run.most_waiting(), run.late_last));
        if !run.holds(rate) {
            break;
        }
        highest = rate;
        rate *= STEP;
    }
    progress.done(&format!("{highest:.0} orders/s"));

    let rate = (highest * SHARE).round();
    let mut progress = Progress::start(format!("steady life, {rate:.0} orders/s"));
    let run = live(servers, rate, plan.steady, &mut progress).await?;
    let grew = run.grew(rate);
    let grown = if grew { "grew" } else { "did not grow" };
    progress.done(&format!("at most {} messages waiting, which {grown}", run.most_waiting()));
    let minutes = plan.steady.as_secs_f64() / 60.0;
    let name = format!("Steady life, {minutes:.0} min at 75 % of its highest short-term rate");
    let rates = format!(
        "{}/s held, {}/s paid, {}/s released",
        thousands(rate),
        thousands(rate / 2.0),
        thousands(rate / 2.0)
    );
    let lateness = format!("first minute {}; last {}{}", run.late_first, run.late_last, run.swept);
    Ok(vec![
        Row::new(name, rates).goal("queues do not grow", !grew),
        Row::new("Steady life, messages waiting at most", thousands(run.most_waiting() as f64)),
        Row::new("Steady life, lateness of releases", lateness),
    ])
}

struct Run {
    waiting: Vec<u64>,
    kept_pace: bool,
    late_first: String,
    late_last: String,
    late_p99_last: f64,
    swept: String,
}

impl Run {
    fn most_waiting(&self) -> u64 {
        self.waiting.iter().copied().max().unwrap_or(0)
    }

    /// A rate holds if no more messages wait at the end than come in half a second, and releases are in time.
    fn holds(&self, rate: f64) -> bool {
        let waiting = self.waiting.last().copied().unwrap_or(0) as f64;
        self.kept_pace && waiting < rate / 2.0 && self.late_p99_last < 500.0
    }

    /// Queues grow if more waits in the last third than in the first, beyond what comes in a quarter of a second.
    fn grew(&self, rate: f64) -> bool {
        let third = (self.waiting.len() / 3).max(1).min(self.waiting.len());
        let mean = |part: &[u64]| part.iter().sum::<u64>() as f64 / part.len().max(1) as f64;
        let first = mean(&self.waiting[..third]);
        let last = mean(&self.waiting[self.waiting.len() - third..]);
        !self.kept_pace || last > first + rate / 4.0
    }
}

async fn live(servers: &Servers, rate: f64, time: Duration, progress: &mut Progress) -> anyhow::Result<Run> {
    let stage = Stage::open(servers, ORDERS.skus).await?;
    fill_wallets(&stage).await?;
    let feed = Feed::open(&stage).await;
    let workers = stage.workers(&[]).await?;
    stage.checkpoint().await?;

    let start = Instant::now() + Duration::from_millis(100);
    let clock_start = epoch_seconds(clock::now()) + 0.1;
    let count = (rate * time.as_secs_f64()) as u64;
    let holding = feed.pace(start, rate, count, |number| wish(number)?.command());
    let paying = feed.pace(start + PAID_AFTER, rate / 2.0, count / 2, |number| {
        let order_id = wish(number * 2)?.order_id();
        Ok(ConfirmPayment {
            version: Version,
            command_id: CommandId::fresh(),
            order_id,
            pay_by: PayBy::default(),
        })
    });
    let work = async {
        tokio::try_join!(holding, paying)?;
        anyhow::Ok(start.elapsed())
    };
    let (took, waiting) = watched(&stage, &workers, work, progress).await?;
    let kept_pace = took < time + PAID_AFTER + Duration::from_secs(1);
    wait_until_closed(&stage, count).await?;

    let (first_due, last_due) =
        (clock_start + HOLD_SECONDS as f64, clock_start + (HOLD_SECONDS as f64) + time.as_secs_f64());
    let first = release_lateness(&stage.pool, first_due, first_due + 60.0).await?;
    let last =
        release_lateness(&stage.pool, last_due - 60.0_f64.min(time.as_secs_f64() / 2.0), last_due + 5.0)
            .await?;
    let swept = workers.metric("holdfast_swept_holds_total").await?;
    let swept = if swept > 0.0 { format!("; {swept:.0} by the sweeper") } else { String::new() };
    workers.kill().await?;
    stage.close().await?;
    let late_p99_last = last.percentile(0.99);
    Ok(Run { waiting, kept_pace, late_first: first.text(), late_last: last.text(), late_p99_last, swept })
}

/// Even numbers are paid for by customers with a wallet, odd ones run out.
fn wish(number: u64) -> anyhow::Result<Wish> {
    let customer = if number.is_multiple_of(2) {
        format!("payer-{}", number / 2 % PAYERS)
    } else {
        format!("customer-{number}")
    };
    ORDERS.of(&customer, number)
}

/// Does the work and meanwhile notes how many messages wait.
async fn watched<T>(
    stage: &Stage,
    workers: &Program,
    work: impl Future<Output = anyhow::Result<T>>,
    progress: &mut Progress,
) -> anyhow::Result<(T, Vec<u64>)> {
    tokio::pin!(work);
    let mut samples = Vec::new();
    loop {
        let done = tokio::select! {
            done = &mut work => Some(done?),
            () = sleep(SAMPLE_INTERVAL) => None,
        };
        let mut waiting = 0;
        for queue in QUEUES {
            waiting += stage.depth(queue).await?;
        }
        samples.push(waiting);
        let decided = workers.metric("holdfast_orders_decided_total").await?;
        progress.show(&format!("{decided:.0} decisions, {waiting} messages waiting"));
        if let Some(done) = done {
            return Ok((done, samples));
        }
    }
}

/// Waits until every order is paid or has run out.
async fn wait_until_closed(stage: &Stage, count: u64) -> anyhow::Result<()> {
    let limit = Instant::now() + Duration::from_secs(300);
    loop {
        let (all, held): (i64, i64) =
            sqlx::query_as("SELECT count(*), count(*) FILTER (WHERE status = 'held') FROM orders")
                .fetch_one(&stage.pool)
                .await?;
        if u64::try_from(all)? == count && held == 0 {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < limit,
            "{held} of {all} orders are still on hold, {count} were placed"
        );
        sleep(Duration::from_millis(500)).await;
    }
}

/// Money for the payers, written as a charge of the wallet is.
async fn fill_wallets(stage: &Stage) -> anyhow::Result<()> {
    sqlx::query(
        "WITH charged AS (
             INSERT INTO charges (id, account, customer_id, amount_won, status, balance_won)
             SELECT gen_random_uuid(), 'wallet', 'payer-' || n, $2, 'posted', $2 FROM generate_series(0, $1 - 1) AS n
             RETURNING id, customer_id, amount_won
         ), filled AS (
             INSERT INTO balances (customer_id, account, amount_won) SELECT customer_id, 'wallet', amount_won FROM charged
         )
         INSERT INTO ledger_entries (transaction_id, phase, account, customer_id, amount_won)
         SELECT id, 'posted'::ledger_phase, 'wallet'::ledger_account, customer_id, amount_won FROM charged
         UNION ALL SELECT id, 'posted', 'funding', NULL, -amount_won FROM charged",
    )
    .bind(i64::try_from(PAYERS)?)
    .bind(WALLET_WON)
    .execute(&stage.pool)
    .await?;
    sqlx::query("VACUUM ANALYZE balances").execute(&stage.pool).await?;
    Ok(())
}
