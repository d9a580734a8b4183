//! `holdfast dead-letters`: list, show, replay and discard.

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use holdfast::broker::connection::Connector;
use holdfast::broker::publisher::Publisher;
use holdfast::config::DatabaseConfig;
use holdfast::dead_letters::{self, printable};
use holdfast::store::dead_letters::{DeadLetter, DeadLetterStatus};
use serde_json::{Value, json};
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
    /// Show what waits for a person
    List {
        /// Only those that died in this queue
        #[arg(long)]
        queue: Option<String>,
        /// Only those of this status
        #[arg(long, default_value = "open")]
        status: DeadLetterStatus,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
        /// JSON lines instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one with its body and headers
    Show {
        /// Its id
        id: Uuid,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Send some back to the queue they died in
    Replay {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<Uuid>,
        /// RabbitMQ
        #[arg(long, env = "AMQP_URL", hide_env_values = true)]
        amqp_url: String,
        /// Who does this
        #[arg(long, env = "USER", default_value = "unknown")]
        actor: String,
    },
    /// Give some up
    Discard {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<Uuid>,
        /// Why
        #[arg(long)]
        reason: String,
        /// Who does this
        #[arg(long, env = "USER", default_value = "unknown")]
        actor: String,
    },
}

pub(super) async fn run(arguments: DeadLetterArguments) -> anyhow::Result<()> {
    let pool = super::pool(&arguments.database, "holdfast-dead-letters")?;
    match arguments.command {
        DeadLetterCommand::List { queue, status, limit, json } => {
            let letters = dead_letters::list(&pool, Some(status), queue.as_deref(), limit).await?;
            if json {
                letters.iter().for_each(|letter| println!("{}", as_json(letter)));
            } else {
                print_table(&letters);
            }
        }
        DeadLetterCommand::Show { id, json } => {
            let letter = dead_letters::show(&pool, id).await?;
            if json {
                println!("{:#}", as_json(&letter));
            } else {
                print_letter(&letter);
            }
        }
        DeadLetterCommand::Replay { ids, amqp_url, actor } => {
            let connector = Connector::new(&amqp_url, "holdfast-dead-letters");
            let publisher = Publisher::start(connector, CONFIRM_TIMEOUT);
            tokio::time::timeout(BROKER_PATIENCE, publisher.wait_until_connected())
                .await
                .context("cannot reach RabbitMQ")?;
            for id in ids {
                dead_letters::replay(&pool, &publisher, id, &actor).await.with_context(|| format!("{id}"))?;
                println!("{id} replayed");
            }
        }
        DeadLetterCommand::Discard { ids, reason, actor } => {
            for id in ids {
                dead_letters::discard(&pool, id, &actor, &reason).await.with_context(|| format!("{id}"))?;
                println!("{id} discarded");
            }
        }
    }
    Ok(())
}

fn as_json(letter: &DeadLetter) -> Value {
    let mut document = json!(letter);
    document["body"] = match std::str::from_utf8(&letter.body) {
        Ok(text) => json!(text),
        Err(_) => json!({"hex": hex(&letter.body)}),
    };
    document
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn print_table(letters: &[DeadLetter]) {
    println!("{:36}  {:20}  {:15}  {:12}  error", "id", "last died", "queue", "class");
    for letter in letters {
        let when = letter.last_died_at.format("%Y-%m-%dT%H:%M:%SZ");
        let error: String = printable(&letter.error_text).chars().take(80).collect();
        let (queue, class) = (printable(&letter.queue), printable(&letter.error_class));
        println!("{}  {when}  {queue:15}  {class:12}  {error}", letter.id);
    }
    println!("{} dead letters", letters.len());
}

fn print_letter(letter: &DeadLetter) {
    let order = letter.order_id.map_or_else(|| "-".to_owned(), |order| order.to_string());
    let fields = [
        ("id", letter.id.to_string()),
        ("status", format!("{:?}", letter.status).to_lowercase()),
        ("queue", letter.queue.clone()),
        ("type", letter.message_type.clone()),
        ("message", letter.message_id.clone()),
        ("order", order),
        ("error", format!("{}: {}", letter.error_class, letter.error_text)),
        ("attempts", letter.attempts.to_string()),
        ("deaths", letter.death_count.to_string()),
        ("replays", letter.replay_count.to_string()),
        ("first died", letter.first_died_at.to_rfc3339()),
        ("last died", letter.last_died_at.to_rfc3339()),
        ("headers", letter.headers.to_string()),
        ("body", String::from_utf8_lossy(&letter.body).into_owned()),
    ];
    for (name, value) in fields {
        println!("{name:12}{}", printable(&value));
    }
}
