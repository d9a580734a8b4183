//! Replays: begin one and watch it, list them, look at one, stop one.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use holdfast::domain::reason::Reason;
use holdfast::ops::dead_letters::replays::api::{ItemQuery, ReplayItems, ReplayList};
use holdfast::ops::dead_letters::replays::{DEFAULT_RATE, MAX_RATE};
use holdfast::ops::dead_letters::request::{AskedLetters, DryRun};
use holdfast::store::dead_letters::replays::{Replay, ReplayOutcome, ReplayStatus};
use holdfast::terminal::printable;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::change::{SelectionArguments, say_count};
use crate::cli::client::{ApiClient, print_json};
use crate::cli::output::{note, say};

const REPLAYS: &str = "/v1/ops/replays";
/// How often to look how far a replay has come.
const LOOK: Duration = Duration::from_millis(200);
/// A replay on which nothing happens for so long may have no workers.
const SUSPICIOUS: Duration = Duration::from_secs(15);

#[derive(Args)]
pub(super) struct ReplayArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// Dead letters sent in a second at most
    #[arg(long, default_value_t = DEFAULT_RATE, value_parser = clap::value_parser!(i32).range(1..=i64::from(MAX_RATE)))]
    rate: i32,
    /// Why
    #[arg(long, value_parser = |text: &str| Reason::parse(text))]
    reason: Option<Reason>,
    /// Do not wait for its end
    #[arg(long)]
    no_wait: bool,
}

#[derive(Subcommand)]
pub(super) enum ReplaysCommand {
    /// List them, the latest first
    List {
        /// Only those before this one: the next page
        #[arg(long)]
        before: Option<Uuid>,
        /// JSON lines instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show how far one has come, and what was not replayed or died again
    Show {
        /// Its id
        id: Uuid,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Stop one; what has been sent stays sent
    Cancel {
        /// Its id
        id: Uuid,
    },
}

/// Begins a replay and waits for its end; exit 1 if something was not replayed.
pub(super) async fn replay(api: &ApiClient, arguments: ReplayArguments) -> anyhow::Result<ExitCode> {
    let ReplayArguments { selection, rate, reason, no_wait } = arguments;
    let (json, dry_run) = (selection.json, selection.dry_run);
    let asked = AskedLetters { rate_per_second: Some(rate), ..selection.asked(reason) };
    if dry_run {
        let DryRun { would_change } = api.post(REPLAYS, &asked).await?;
        say_count(would_change, json);
        return Ok(ExitCode::SUCCESS);
    }
    let begun: Replay = api.post(REPLAYS, &asked).await?;
    let replay = if no_wait { begun } else { wait(api, begun).await? };
    if json {
        say!("{}", json!(replay));
    } else {
        print_line(&replay);
    }
    let is_fine = no_wait || (replay.status == ReplayStatus::Done && replay.replayed == replay.total);
    if !is_fine {
        note!("not everything was replayed: holdfast dead-letters replays show {}", replay.id);
    }
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn wait(api: &ApiClient, begun: Replay) -> anyhow::Result<Replay> {
    // Shown on a terminal only; a log or a pipe gets the result alone.
    let style = "{bar:40} {human_pos} of {human_len} dead letters ({elapsed}, {eta} left)";
    let length = u64::try_from(begun.total).unwrap_or_default();
    let bar = ProgressBar::new(length).with_style(ProgressStyle::with_template(style)?);
    let (mut replay, mut moved) = (begun, Instant::now());
    while replay.status == ReplayStatus::Running {
        tokio::time::sleep(LOOK).await;
        let now: anyhow::Result<Replay> = api.get(&format!("{REPLAYS}/{}", replay.id)).await;
        let now = now.with_context(|| {
            format!("the replay goes on: holdfast dead-letters replays show {}", replay.id)
        })?;
        if now.handled() > replay.handled() {
            moved = Instant::now();
        } else if moved.elapsed() > SUSPICIOUS {
            moved = Instant::now();
            bar.suspend(|| note!("nothing happens: does the workers' pool `replays` run?"));
        }
        replay = now;
        bar.set_position(u64::try_from(replay.handled()).unwrap_or_default());
    }
    bar.finish_and_clear();
    Ok(replay)
}

pub(super) async fn replays(api: &ApiClient, command: ReplaysCommand) -> anyhow::Result<()> {
    match command {
        ReplaysCommand::List { before, json } => {
            let page = before.map(|before| format!("?before={before}")).unwrap_or_default();
            let ReplayList { replays, .. } = api.get(&format!("{REPLAYS}{page}")).await?;
            for replay in &replays {
                if json {
                    say!("{}", json!(replay));
                } else {
                    print_line(replay);
                }
            }
        }
        ReplaysCommand::Show { id, json } => {
            let replay: Replay = api.get(&format!("{REPLAYS}/{id}")).await?;
            if json {
                return print_json(&replay);
            }
            print_line(&replay);
            for outcome in [ReplayOutcome::Failed, ReplayOutcome::Skipped] {
                let filter = ItemQuery { outcome: Some(outcome), ..ItemQuery::default() };
                let ReplayItems { items, .. } = api.find(&format!("{REPLAYS}/{id}/items"), &filter).await?;
                for item in items {
                    let reason = printable(item.reason.as_deref().unwrap_or_default());
                    say!("{}  {}: {reason}", item.dead_letter_id, outcome.name());
                }
            }
            let filter = ItemQuery { died_again: true, ..ItemQuery::default() };
            let ReplayItems { items, .. } = api.find(&format!("{REPLAYS}/{id}/items"), &filter).await?;
            for item in items {
                say!("{}  died again", item.dead_letter_id);
            }
        }
        ReplaysCommand::Cancel { id } => {
            print_line(&api.post::<Replay>(&format!("{REPLAYS}/{id}/cancel"), &json!({})).await?);
        }
    }
    Ok(())
}

fn print_line(replay: &Replay) {
    say!(
        "{}  {:9}  {} of {}: {} replayed, {} skipped, {} failed, {} died again  {}",
        replay.id,
        replay.status.name(),
        replay.handled(),
        replay.total,
        replay.replayed,
        replay.skipped,
        replay.failed,
        replay.died_again,
        printable(&replay.actor),
    );
}
