//! `holdfast workers` and `holdfast pools`: who works, and who shall not.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use holdfast::config::DatabaseConfig;
use holdfast::ops::reason::Reason;
use holdfast::ops::rights::Actor;
use holdfast::ops::workers::{self, PoolView, ProcessView};
use holdfast::store::operators::tokens::Role;
use holdfast::terminal::printable;

#[derive(Args)]
pub(super) struct WorkerArguments {
    #[command(flatten)]
    database: DatabaseConfig,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct PoolArguments {
    #[command(flatten)]
    database: DatabaseConfig,
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
        /// Who does this
        #[arg(long, env = "USER", default_value = "unknown")]
        actor: String,
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
        /// Who does this
        #[arg(long, env = "USER", default_value = "unknown")]
        actor: String,
        /// JSON instead of a line
        #[arg(long)]
        json: bool,
    },
}

/// Lists processes.
pub(super) async fn run(arguments: WorkerArguments) -> anyhow::Result<()> {
    let pool = super::pool(&arguments.database, "holdfast-workers-list")?;
    let mut conn = pool.acquire().await.context("cannot reach PostgreSQL")?;
    let processes = workers::list(&mut conn).await?.processes;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&processes)?);
        return Ok(());
    }
    processes.iter().for_each(print_process);
    let alive = processes.iter().filter(|process| process.alive).count();
    println!("{alive} processes alive, {} gone", processes.len() - alive);
    Ok(())
}

/// Lists, pauses and resumes pools.
pub(super) async fn run_pools(arguments: PoolArguments) -> anyhow::Result<()> {
    let pool = super::pool(&arguments.database, "holdfast-pools")?;
    let mut tx = pool.begin().await.context("cannot reach PostgreSQL")?;
    match arguments.command {
        PoolCommand::List { json } => {
            let pools = workers::list(&mut tx).await?.pools;
            if json {
                println!("{}", serde_json::to_string_pretty(&pools)?);
            } else {
                pools.iter().for_each(print_pool);
            }
        }
        PoolCommand::Pause { pool, reason, actor, json } => {
            let view = workers::pause(&mut tx, &named(actor), &pool, &reason).await?;
            tx.commit().await?;
            print_one(&view, json)?;
        }
        PoolCommand::Resume { pool, reason, actor, json } => {
            let view = workers::resume(&mut tx, &named(actor), &pool, reason.as_ref()).await?;
            tx.commit().await?;
            print_one(&view, json)?;
        }
    }
    Ok(())
}

fn named(name: String) -> Actor {
    Actor { name, role: Role::Operator }
}

fn print_one(view: &PoolView, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(view)?);
    } else {
        print_pool(view);
        if view.paused.is_some() {
            println!("{}", view.while_paused);
        }
    }
    Ok(())
}

fn print_process(process: &ProcessView) {
    let state = if process.alive { "alive" } else { "gone " };
    let (started, seen) =
        (process.started_at.format("%Y-%m-%dT%H:%M:%SZ"), process.seen_at.format("%H:%M:%SZ"));
    println!(
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
        println!(
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
    println!("{:16}  {:>3} runners  {state}", view.pool, view.runners);
}
