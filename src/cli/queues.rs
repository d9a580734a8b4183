//! `holdfast queues`: what waits in the broker.

use std::process::ExitCode;

use clap::Args;
use holdfast::broker::queues::{QueuesView, Source};

use super::client::{ApiArguments, print_json};
use super::output::say;

#[derive(Args)]
pub(super) struct QueueArguments {
    #[command(flatten)]
    api: ApiArguments,
    /// Also delay rungs and queues in which nothing is
    #[arg(long)]
    all: bool,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Exit 1 if the broker does not answer.
pub(super) async fn run(arguments: QueueArguments) -> anyhow::Result<ExitCode> {
    let view: QueuesView = arguments.api.open()?.get("/v1/ops/queues").await?;
    if arguments.json {
        print_json(&view)?;
    } else {
        print(&view, arguments.all);
    }
    Ok(if view.source == Source::None { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(view: &QueuesView, all: bool) {
    say!(
        "{:20}  {:>9}  {:>7}  {:>9}  {:16}  in / out / acknowledged per second",
        "queue",
        "ready",
        "unacked",
        "consumers",
        "oldest"
    );
    for queue in
        view.queues.iter().filter(|queue| all || queue.ready > 0 || queue.consumers > 0 || !queue.exists)
    {
        let unacknowledged = queue.unacknowledged.map_or_else(|| "–".to_owned(), |count| count.to_string());
        let (oldest, rates) = (queue.oldest_words(), queue.rate_words());
        let missing = if queue.exists { "" } else { "  missing" };
        say!(
            "{:20}  {:>9}  {unacknowledged:>7}  {:>9}  {oldest:16}  {rates}{missing}",
            queue.name,
            queue.ready,
            queue.consumers
        );
    }
    say!("{}", view.source_words());
}
