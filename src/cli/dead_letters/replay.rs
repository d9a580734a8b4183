//! Replays: begin one and watch it, list them, look at one, stop one.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use holdfast::ops::dead_letters::replays::{self, DEFAULT_RATE, MAX_RATE, Manner};
use holdfast::ops::reason::Reason;
use holdfast::store::dead_letters::replays::{ItemFilter, Replay, ReplayOutcome, ReplayStatus};
use holdfast::terminal::printable;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use sqlx::PgPool;
use tokio::time::Instant;
use uuid::Uuid;

use super::ActorArguments;
use super::change::SelectionArguments;

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
    #[command(flatten)]
    actor: ActorArguments,
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
        #[command(flatten)]
        actor: ActorArguments,
    },
}

/// Begins a replay and waits for its end; exit 1 if something was not replayed.
pub(super) async fn replay(pool: &PgPool, arguments: ReplayArguments) -> anyhow::Result<ExitCode> {
    let ReplayArguments { selection: chosen, rate, reason, no_wait, actor } = arguments;
    let selection = chosen.selection();
    let mut tx = pool.begin().await?;
    if chosen.dry_run {
        chosen.say_count(replays::preview(&mut tx, &selection).await?);
        return Ok(ExitCode::SUCCESS);
    }
    let manner = Manner { rate_per_second: rate, reason: reason.as_ref() };
    let begun = replays::start(&mut tx, &actor.actor(), &selection, manner).await?;
    tx.commit().await?;
    let replay = if no_wait { begun } else { wait(pool, begun).await? };
    if chosen.json {
        println!("{}", json!(replay));
    } else {
        print_line(&replay);
    }
    let is_fine = no_wait || (replay.status == ReplayStatus::Done && replay.replayed == replay.total);
    if !is_fine {
        eprintln!("not everything was replayed: holdfast dead-letters replays show {}", replay.id);
    }
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn wait(pool: &PgPool, begun: Replay) -> anyhow::Result<Replay> {
    // Shown on a terminal only; a log or a pipe gets the result alone.
    let style = "{bar:40} {human_pos} of {human_len} dead letters ({elapsed}, {eta} left)";
    let length = u64::try_from(begun.total).unwrap_or_default();
    let bar = ProgressBar::new(length).with_style(ProgressStyle::with_template(style)?);
    let (mut replay, mut moved) = (begun, Instant::now());
    while replay.status == ReplayStatus::Running {
        tokio::time::sleep(LOOK).await;
        let now = replays::show(&mut *pool.acquire().await?, replay.id).await?;
        if now.handled() > replay.handled() {
            moved = Instant::now();
        } else if moved.elapsed() > SUSPICIOUS {
            moved = Instant::now();
            bar.suspend(|| eprintln!("nothing happens: does the workers' pool `replays` run?"));
        }
        replay = now;
        bar.set_position(u64::try_from(replay.handled()).unwrap_or_default());
    }
    bar.finish_and_clear();
    Ok(replay)
}

pub(super) async fn replays(pool: &PgPool, command: ReplaysCommand) -> anyhow::Result<ExitCode> {
    let mut tx = pool.begin().await?;
    match command {
        ReplaysCommand::List { before, json } => {
            for replay in replays::list(&mut tx, before).await? {
                if json {
                    println!("{}", json!(replay));
                } else {
                    print_line(&replay);
                }
            }
        }
        ReplaysCommand::Show { id, json } => {
            let replay = replays::show(&mut tx, id).await?;
            if json {
                println!("{:#}", json!(replay));
                return Ok(ExitCode::SUCCESS);
            }
            print_line(&replay);
            for outcome in [ReplayOutcome::Failed, ReplayOutcome::Skipped] {
                let filter = ItemFilter { outcome: Some(outcome), ..ItemFilter::default() };
                for item in replays::items(&mut tx, id, filter).await? {
                    let reason = printable(item.reason.as_deref().unwrap_or_default());
                    println!("{}  {}: {reason}", item.dead_letter_id, outcome.name());
                }
            }
            let filter = ItemFilter { died_again: true, ..ItemFilter::default() };
            for item in replays::items(&mut tx, id, filter).await? {
                println!("{}  died again", item.dead_letter_id);
            }
        }
        ReplaysCommand::Cancel { id, actor } => {
            let stopped = replays::cancel(&mut tx, &actor.actor(), id).await?;
            tx.commit().await?;
            print_line(&stopped);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_line(replay: &Replay) {
    println!(
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
