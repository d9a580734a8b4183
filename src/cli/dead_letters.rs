//! `holdfast dead-letters`: find, understand, replay, discard, restore, edit and export.

mod change;
mod print;
mod replay;

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use holdfast::broker::connection::Connector;
use holdfast::broker::publisher::Publisher;
use holdfast::broker::settings::AmqpConfig;
use holdfast::config::{DatabaseConfig, DeadLetterConfig};
use holdfast::ops::dead_letters::edit::{self, Edited};
use holdfast::ops::dead_letters::export::{Export, Format};
use holdfast::ops::dead_letters::{DeadLetterError, detail};
use holdfast::ops::reason::Reason;
use holdfast::ops::rights::Actor;
use holdfast::store::dead_letters;
use holdfast::store::dead_letters::filter::Filter;
use holdfast::store::dead_letters::lists::{Page, Position, Summary};
use holdfast::store::operators::tokens::Role;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);
const BROKER_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(super) struct DeadLetterArguments {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(subcommand)]
    command: DeadLetterCommand,
}

#[derive(Subcommand)]
enum DeadLetterCommand {
    /// Count them by queue, class of error and message type
    Groups {
        #[command(flatten)]
        filter: Filter,
        /// JSON lines instead of a table
        #[arg(long)]
        json: bool,
    },
    /// List them, those that died last first
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
        /// Only those behind this place, as the page before names it
        #[arg(long)]
        after: Option<Position>,
        /// JSON lines instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one with its body, headers, deaths and what was done to it
    Show {
        /// Its id
        id: Uuid,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Send some back to the queues they died in; the workers' pool `replays` does it
    Replay(replay::ReplayArguments),
    /// Look at replays or stop one
    #[command(subcommand)]
    Replays(replay::ReplaysCommand),
    /// Give some up
    Discard(change::DiscardArguments),
    /// Open discarded ones again
    Restore(change::RestoreArguments),
    /// Send a changed copy of one in its place, if HOLDFAST_EDIT_DEAD_LETTERS=true
    Edit(EditArguments),
    /// Write all that match to standard output
    Export {
        #[command(flatten)]
        filter: Filter,
        /// JSON lines or CSV
        #[arg(long, default_value = "jsonl")]
        format: Format,
    },
}

#[derive(Args)]
struct EditArguments {
    /// Its id
    id: Uuid,
    /// A file with the whole new body; `-` is standard input
    #[arg(long)]
    body: PathBuf,
    /// Why
    #[arg(long, value_parser = |text: &str| Reason::parse(text))]
    reason: Option<Reason>,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: DeadLetterConfig,
    #[command(flatten)]
    amqp: AmqpConfig,
    #[command(flatten)]
    actor: ActorArguments,
}

/// Who does something on the command line.
#[derive(Args)]
struct ActorArguments {
    /// Who does this
    #[arg(long, env = "USER", default_value = "unknown")]
    actor: String,
}

impl ActorArguments {
    fn actor(&self) -> Actor {
        Actor { name: self.actor.clone(), role: Role::Operator }
    }
}

pub(super) async fn run(arguments: DeadLetterArguments) -> anyhow::Result<ExitCode> {
    let pool = super::pool(&arguments.database, "holdfast-dead-letters")?;
    match arguments.command {
        DeadLetterCommand::Groups { filter, json } => {
            let groups = dead_letters::lists::groups(&mut *pool.begin().await?, &filter).await?;
            if json {
                groups.iter().for_each(|group| println!("{}", json!(group)));
            } else {
                print::groups(&groups);
            }
        }
        DeadLetterCommand::List { filter, limit, after, json } => {
            let Page { letters, next } = pages(&pool, &filter, after, limit.into()).await?;
            if json {
                letters.iter().for_each(|letter| println!("{}", json!(letter)));
            } else {
                print::table(&letters);
            }
            if let Some(next) = next {
                eprintln!("there are more: --after {next}");
            }
        }
        DeadLetterCommand::Show { id, json } => {
            let detail = detail::show(&mut *pool.acquire().await?, id).await?;
            if json {
                println!("{:#}", json!(detail));
            } else {
                print::letter(&detail);
            }
        }
        DeadLetterCommand::Replay(arguments) => return replay::replay(&pool, arguments).await,
        DeadLetterCommand::Replays(command) => return replay::replays(&pool, command).await,
        DeadLetterCommand::Discard(arguments) => return change::discard(&pool, arguments).await,
        DeadLetterCommand::Restore(arguments) => return change::restore(&pool, arguments).await,
        DeadLetterCommand::Edit(arguments) => edit(&pool, arguments).await?,
        DeadLetterCommand::Export { filter, format } => export(&pool, Export::new(filter, format)).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A page, or several where what fits is rare: each looks at a part of the letters.
async fn pages(
    pool: &PgPool,
    filter: &Filter,
    after: Option<Position>,
    limit: usize,
) -> anyhow::Result<Page<Summary>> {
    let mut tx = pool.begin().await?;
    let mut found = Page { letters: vec![], next: after };
    loop {
        let left = limit - found.letters.len();
        let page = dead_letters::lists::page(&mut tx, filter, found.next, left).await?;
        found.letters.extend(page.letters);
        found.next = page.next;
        if found.next.is_none() || found.letters.len() == limit {
            return Ok(found);
        }
    }
}

async fn edit(pool: &PgPool, arguments: EditArguments) -> anyhow::Result<()> {
    if !arguments.config.edit_dead_letters {
        return Err(DeadLetterError::EditingIsOff.into());
    }
    let mut body = vec![];
    if arguments.body.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut body)?;
    } else {
        body = std::fs::read(&arguments.body).context("the new body cannot be read")?;
    }
    let edited = if arguments.dry_run {
        edit::preview(&mut *pool.acquire().await?, arguments.id, &body).await?
    } else {
        let connector = Connector::new(&arguments.amqp.address()?, "holdfast-dead-letters");
        let publisher = Publisher::start(connector, CONFIRM_TIMEOUT);
        tokio::time::timeout(BROKER_PATIENCE, publisher.wait_until_connected())
            .await
            .context("cannot reach RabbitMQ")?;
        let mut tx = pool.begin().await?;
        let (actor, reason) = (arguments.actor.actor(), arguments.reason.as_ref());
        let edited = edit::send(&mut tx, &actor, &publisher, arguments.id, &body, reason).await?;
        tx.commit().await?;
        edited
    };
    if arguments.json {
        println!("{:#}", json!(edited));
        return Ok(());
    }
    let Edited { id, message_id, difference } = edited;
    print::difference(&difference);
    if arguments.dry_run {
        println!("{id} would be replaced by the message {message_id}");
    } else {
        println!("{id} is replaced by the message {message_id}");
    }
    Ok(())
}

async fn export(pool: &PgPool, mut export: Export) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    while !export.is_done() {
        // In a transaction, because the list has settings of its own.
        out.write_all(&export.next(&mut *pool.begin().await?).await?)?;
    }
    Ok(out.flush()?)
}
