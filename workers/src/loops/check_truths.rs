//! The pool `audit`: checks the truths now and then, shows each as a metric, 0 when it holds, and keeps the result for the
//! console.

use std::time::{Duration, Instant};

use holdfast::clock;
use holdfast::store;
use holdfast::store::audit::{Audit, Finding, STATEMENT_LIMIT, results as audit_results};
use metrics::gauge;
use sqlx::PgPool;
use tracing::warn;

use crate::engine::context::Context;

/// How often the truths are checked, at most; and how long a step that failed waits.
const INTERVAL: Duration = Duration::from_secs(60);
/// The checks sum whole tables: between two of them passes so many times as long as the last one took, so that they
/// never take more than a small share of a core from the orders.
const REST: u32 = 50;
/// How long a step may take; its statements end before.
const STEP_LIMIT: Duration = STATEMENT_LIMIT.saturating_add(Duration::from_secs(10));
/// How often a step is tried before its truth is left for the next audit, so that the others are checked all the same.
const TRIES: u32 = 3;
/// Keeping the result is one small statement.
const KEEP_LIMIT: Duration = Duration::from_secs(5);

/// Audits until told to stop.
pub(crate) async fn run(context: Context) {
    let stop = context.stop.clone();
    let mut rest = Duration::ZERO;
    while stop.run_until_cancelled(tokio::time::sleep(rest)).await.is_some() {
        if stop.run_until_cancelled(context.gate.opened()).await.is_none() {
            return;
        }
        let Some(worked) = stop.run_until_cancelled(audit(&context)).await else { return };
        rest = INTERVAL.max(worked * REST);
    }
}

/// Checks everything once. Returns how long that took, pauses left out.
async fn audit(context: &Context) -> Duration {
    let (mut audit, mut findings, mut worked) = (Audit::default(), vec![], Duration::ZERO);
    let (mut tries, mut is_complete) = (0, true);
    while let Some(truth) = audit.next() {
        let started = Instant::now();
        let step = store::within(&context.pool, STEP_LIMIT, async |conn| audit.step(conn).await).await;
        worked += started.elapsed();
        match step {
            Ok(finding) => {
                tries = 0;
                finding.iter().for_each(show);
                findings.extend(finding);
            }
            Err(error) => {
                tries += 1;
                warn!(%error, truth, "cannot check a truth now");
                if tries == TRIES {
                    (tries, is_complete) = (0, false);
                    audit.skip();
                }
                tokio::time::sleep(INTERVAL).await;
            }
        }
    }
    context.tally.note(findings.len(), worked, None);
    // What was not checked must not look as if it had been: the last result stays, and with it its age.
    if is_complete {
        keep(&context.pool, &findings, worked).await;
    }
    worked
}

fn show(finding: &Finding) {
    let Finding { truth, violations, examples } = finding;
    gauge!("holdfast_audit_violations", "truth" => *truth).set(*violations as f64);
    if *violations > 0 {
        warn!(truth, violations, ?examples, "a truth is broken");
    }
}

async fn keep(pool: &PgPool, findings: &[Finding], worked: Duration) {
    let kept =
        store::within(pool, KEEP_LIMIT, async |conn| audit_results::store(conn, findings, worked).await);
    if let Err(error) = kept.await {
        warn!(%error, "cannot keep the audit's result");
    }
    gauge!("holdfast_audit_finished_timestamp_seconds").set(clock::now().timestamp() as f64);
}
