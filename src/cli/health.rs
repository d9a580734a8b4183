//! `holdfast health`: how everything is, at a glance.

use std::process::ExitCode;

use clap::Args;
use holdfast::ops::health::{HealthVerdict, HealthView};
use holdfast::terminal::printable;

use super::client::{ApiArguments, print_json};
use super::output::say;

#[derive(Args)]
pub(super) struct HealthArguments {
    #[command(flatten)]
    api: ApiArguments,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Exit 1 if anything is not well, or if nobody can tell.
pub(super) async fn run(arguments: HealthArguments) -> anyhow::Result<ExitCode> {
    let view: HealthView = arguments.api.open()?.get("/v1/ops/health").await?;
    if arguments.json {
        print_json(&view)?;
    } else {
        print(&view);
    }
    Ok(if view.verdict == HealthVerdict::Well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(view: &HealthView) {
    say!("{}", view.verdict.word());
    for finding in &view.findings {
        let light = if finding.verdict == HealthVerdict::Wrong { "WRONG" } else { "look " };
        say!("{light}  {}", printable(&finding.what));
        say!("       {}", printable(&finding.meaning));
        say!("       {}", finding.todo);
    }
    let alive = view.workers.processes.iter().filter(|process| process.alive).count();
    let open: i64 = view.open_money.iter().map(|open| open.count).sum();
    let figures = [
        ("holds overdue", view.overdue_holds.count.to_string()),
        ("latest release of the hour", format!("{} ms", view.lateness.worst_hour_ms)),
        ("payments, refunds, charges open", open.to_string()),
        ("webhooks unmatched", view.unmatched_webhooks.count.to_string()),
        ("late money of the day", format!("{} won", view.late_money.amount_won)),
        ("dead letters open", view.dead_letters.count.to_string()),
        ("facts to publish, to feed", format!("{}, {}", view.relay_lag.count, view.feed_lag.count)),
        ("worker processes alive", alive.to_string()),
        ("messages ready in commands", ready(view).to_string()),
    ];
    for (name, value) in figures {
        say!("{name:32}  {value}");
    }
    let orders: Vec<String> =
        view.orders.iter().map(|outcome| format!("{} {}", outcome.total, outcome.outcome)).collect();
    say!("{:32}  {}", "orders of the hour", orders.join(", "));
}

fn ready(view: &HealthView) -> u64 {
    let commands =
        view.queues.queues.iter().filter(|queue| queue.kind == holdfast::broker::queues::QueueKind::Command);
    commands.map(|queue| queue.ready).sum()
}
