//! Discard and restore.

use std::process::ExitCode;

use clap::Args;
use holdfast::domain::reason::Reason;
use holdfast::ops::dead_letters::request::{AskedLetters, DryRun};
use holdfast::ops::dead_letters::{Change, Changed};
use holdfast::store::dead_letters::filter::DeadLetterFilter;
use serde_json::json;
use uuid::Uuid;

use crate::cli::client::ApiClient;
use crate::cli::output::{note, say};

/// Some by their ids, or all that match a filter.
#[derive(Args)]
pub(super) struct SelectionArguments {
    /// Their ids; or a filter for all that match
    #[arg(required_unless_present_any = ["DeadLetterFilter", "all"], conflicts_with_all = ["DeadLetterFilter", "all"])]
    ids: Vec<Uuid>,
    #[command(flatten)]
    filter: DeadLetterFilter,
    /// All of them
    #[arg(long)]
    all: bool,
    /// Only say how many it would be
    #[arg(long)]
    pub(super) dry_run: bool,
    /// JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

impl SelectionArguments {
    /// The request for these.
    pub(super) fn asked(self, reason: Option<Reason>) -> AskedLetters {
        let (ids, filter) =
            if self.ids.is_empty() { (None, Some(self.filter)) } else { (Some(self.ids), None) };
        AskedLetters { ids, filter, reason, dry_run: self.dry_run, rate_per_second: None }
    }
}

/// Says how many it would be.
pub(super) fn say_count(count: i64, json: bool) {
    if json {
        say!("{}", json!({"would_change": count}));
    } else {
        say!("{count} dead letters");
    }
}

#[derive(Args)]
pub(super) struct DiscardArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// Why
    #[arg(long, value_parser = |text: &str| Reason::parse(text))]
    reason: Reason,
}

#[derive(Args)]
pub(super) struct RestoreArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// Why
    #[arg(long, value_parser = |text: &str| Reason::parse(text))]
    reason: Option<Reason>,
}

pub(super) async fn discard(api: &ApiClient, arguments: DiscardArguments) -> anyhow::Result<ExitCode> {
    let DiscardArguments { selection, reason } = arguments;
    change(api, selection, Change::Discard, Some(reason)).await
}

pub(super) async fn restore(api: &ApiClient, arguments: RestoreArguments) -> anyhow::Result<ExitCode> {
    let RestoreArguments { selection, reason } = arguments;
    change(api, selection, Change::Restore, reason).await
}

/// Changes what was chosen; exit 1 if some that were named are of another status.
async fn change(
    api: &ApiClient,
    arguments: SelectionArguments,
    change: Change,
    reason: Option<Reason>,
) -> anyhow::Result<ExitCode> {
    let (path, what) = match change {
        Change::Discard => ("/v1/ops/dead-letters/discard", "discarded"),
        Change::Restore => ("/v1/ops/dead-letters/restore", "restored"),
    };
    let (json, dry_run) = (arguments.json, arguments.dry_run);
    let asked = arguments.asked(reason);
    if dry_run {
        let DryRun { would_change } = api.post(path, &asked).await?;
        say_count(would_change, json);
        return Ok(ExitCode::SUCCESS);
    }
    let changed: Changed = api.post(path, &asked).await?;
    if json {
        say!("{}", json!(changed));
    } else {
        say!("{} {what}", changed.changed);
    }
    if changed.skipped > 0 {
        note!("{} could not be {what}: they are not {} any more", changed.skipped, change.of().name());
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
