//! `holdfast workers` and `holdfast pools`: who works, and who shall not.

use clap::{Args, Subcommand};
use holdfast::domain::reason::Reason;
use holdfast::ops::workers::api::{PauseRequest, ResumeRequest};
use holdfast::ops::workers::{PoolView, ProcessView, WorkersView};
use holdfast::terminal::printable;

use super::client::{ApiArguments, print_json, segment};
use super::output::say;

#[derive(Args)]
pub(super) struct WorkerArguments {
    #[command(flatten)]
    api: ApiArguments,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct PoolArguments {
    #[command(flatten)]
    api: ApiArguments,
    #[command(subcommand)]
    command: PoolCommand,
}

#[derive(Subcommand)]
enum PoolCommand {
    /// Show every pool, its runners and its pause
    List {
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Have a pool take nothing until it is resumed
    Pause {
        /// Its name, such as payment.confirm
        pool: String,
        /// Why
        #[arg(long, value_parser = |text: &str| Reason::parse(text))]
        reason: Reason,
        /// JSON instead of a line
        #[arg(long)]
        json: bool,
    },
    /// Let a pool go on
    Resume {
        /// Its name, such as payment.confirm
        pool: String,
        /// Why, if there is something to say
        #[arg(long, value_parser = |text: &str| Reason::parse(text))]
        reason: Option<Reason>,
        /// JSON instead of a line
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(arguments: WorkerArguments) -> anyhow::Result<()> {
    let WorkersView { processes, .. } = arguments.api.open()?.get("/v1/ops/workers").await?;
    if arguments.json {
        return print_json(&processes);
    }
    processes.iter().for_each(print_process);
    let alive = processes.iter().filter(|process| process.alive).count();
    say!("{alive} processes alive, {} gone", processes.len() - alive);
    Ok(())
}

/// Lists, pauses and resumes pools.
pub(super) async fn run_pools(arguments: PoolArguments) -> anyhow::Result<()> {
    let api = arguments.api.open()?;
    let path = |pool: &str, act: &str| format!("/v1/ops/pools/{}/{act}", segment(pool));
    match arguments.command {
        PoolCommand::List { json } => {
            let WorkersView { pools, .. } = api.get("/v1/ops/workers").await?;
            if json {
                return print_json(&pools);
            }
            pools.iter().for_each(print_pool);
            Ok(())
        }
        PoolCommand::Pause { pool, reason, json } => {
            print_one(&api.post::<PoolView>(&path(&pool, "pause"), &PauseRequest { reason }).await?, json)
        }
        PoolCommand::Resume { pool, reason, json } => {
            print_one(&api.post::<PoolView>(&path(&pool, "resume"), &ResumeRequest { reason }).await?, json)
        }
    }
}

fn print_one(view: &PoolView, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(view);
    }
    print_pool(view);
    if view.paused.is_some() {
        say!("{}", view.while_paused);
    }
    Ok(())
}

fn print_process(process: &ProcessView) {
    let state = if process.alive { "alive" } else { "gone " };
    let (started, seen) =
        (process.started_at.format("%Y-%m-%dT%H:%M:%SZ"), process.seen_at.format("%H:%M:%SZ"));
    say!(
        "{state}  {}  {} pid {}  version {}  since {started}  seen {seen}",
        process.id,
        printable(&process.host),
        process.pid,
        printable(&process.version)
    );
    for pool in &process.pools {
        let last = pool
            .last_batch
            .map_or_else(|| "no batch yet".to_owned(), |batch| format!("last batch {}", batch.words()));
        say!(
            "       {:16} {:>2} runners  {:>9} messages  {last}",
            printable(&pool.pool),
            pool.runners,
            pool.messages_done
        );
    }
}

fn print_pool(view: &PoolView) {
    let state = match &view.paused {
        Some(pause) => format!(
            "paused since {} by {}: {}",
            pause.since.format("%Y-%m-%dT%H:%M:%SZ"),
            printable(&pause.actor),
            printable(&pause.reason)
        ),
        None if view.runners > 0 => "works".to_owned(),
        None => "nobody works it".to_owned(),
    };
    say!("{:16}  {:>3} runners  {state}", view.pool, view.runners);
}
