//! Discard and restore.

use std::process::ExitCode;

use clap::Args;
use holdfast::ops::dead_letters::{self, Change, Changed, MAX_CHANGED, Selection};
use holdfast::ops::reason::Reason;
use holdfast::store::dead_letters::filter::Filter;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::ActorArguments;

/// Some by their ids, or all that match a filter.
#[derive(Args)]
pub(super) struct SelectionArguments {
    /// Their ids; or a filter for all that match
    #[arg(required_unless_present_any = ["Filter", "all"], conflicts_with_all = ["Filter", "all"])]
    ids: Vec<Uuid>,
    #[command(flatten)]
    filter: Filter,
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
    pub(super) fn selection(&self) -> Selection {
        match self.ids.as_slice() {
            [] => Selection::Matching(self.filter.clone()),
            ids => Selection::Ids(ids.to_vec()),
        }
    }

    /// Says how many it would be.
    pub(super) fn say_count(&self, count: i64) {
        if self.json {
            println!("{}", json!({"would_change": count}));
        } else {
            println!("{count} dead letters");
        }
    }
}

#[derive(Args)]
pub(super) struct DiscardArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// Why
    #[arg(long, value_parser = |text: &str| Reason::parse(text))]
    reason: Reason,
    #[command(flatten)]
    actor: ActorArguments,
}

#[derive(Args)]
pub(super) struct RestoreArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// Why
    #[arg(long, value_parser = |text: &str| Reason::parse(text))]
    reason: Option<Reason>,
    #[command(flatten)]
    actor: ActorArguments,
}

pub(super) async fn discard(pool: &PgPool, arguments: DiscardArguments) -> anyhow::Result<ExitCode> {
    let DiscardArguments { selection, reason, actor } = arguments;
    change(pool, &selection, Change::Discard, &actor, Some(&reason)).await
}

pub(super) async fn restore(pool: &PgPool, arguments: RestoreArguments) -> anyhow::Result<ExitCode> {
    let RestoreArguments { selection, reason, actor } = arguments;
    change(pool, &selection, Change::Restore, &actor, reason.as_ref()).await
}

/// Changes what was chosen; exit 1 if some that were named are of another status.
async fn change(
    pool: &PgPool,
    arguments: &SelectionArguments,
    change: Change,
    actor: &ActorArguments,
    reason: Option<&Reason>,
) -> anyhow::Result<ExitCode> {
    let selection = arguments.selection();
    let mut tx = pool.begin().await?;
    if arguments.dry_run {
        let count = dead_letters::count(&mut tx, &selection, change.of(), MAX_CHANGED).await?;
        arguments.say_count(count);
        return Ok(ExitCode::SUCCESS);
    }
    let changed = dead_letters::change(&mut tx, &actor.actor(), &selection, change, reason).await?;
    tx.commit().await?;
    let Changed { changed: count, skipped } = changed;
    let what = match change {
        Change::Discard => "discarded",
        Change::Restore => "restored",
    };
    if arguments.json {
        println!("{}", json!(changed));
    } else {
        println!("{count} {what}");
    }
    if skipped > 0 {
        eprintln!("{skipped} could not be {what}: they are not {} any more", change.of().name());
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
