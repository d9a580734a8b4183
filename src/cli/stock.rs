//! `holdfast stock`: list, show, receive and adjust.

use anyhow::Context as _;
use clap::{ArgGroup, Args, Subcommand};
use holdfast::config::{DatabaseConfig, TimeZoneConfig};
use holdfast::domain::ids::{IdempotencyKey, SkuCode};
use holdfast::http::views::SkuView;
use holdfast::ops::reason::Reason;
use holdfast::ops::rights::Actor;
use holdfast::ops::stock::view::{SkuDetail, StockPage};
use holdfast::ops::stock::{self, Correction, MovementsFrom, StockFilter};
use holdfast::store::operators::tokens::Role;
use holdfast::terminal::printable;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

#[derive(Args)]
pub(super) struct StockArguments {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(subcommand)]
    command: StockCommand,
}

#[derive(Subcommand)]
enum StockCommand {
    /// List SKUs in the order of their codes, a page of 100 at a time
    List {
        /// How the code begins, or a part of the name
        text: Option<String>,
        /// The last code of the page before
        #[arg(long)]
        after: Option<String>,
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one with its live holds, sales and movements
    Show {
        /// Its code
        #[arg(value_parser = |text: &str| SkuCode::parse(text))]
        sku: SkuCode,
        /// The `next` of the page of movements before
        #[arg(long)]
        before: Option<String>,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        time_zone: TimeZoneConfig,
    },
    /// Take units in
    Receive {
        /// The SKU's code
        #[arg(value_parser = |text: &str| SkuCode::parse(text))]
        sku: SkuCode,
        /// How many
        #[arg(value_parser = clap::value_parser!(i64).range(1..=1_000_000_000))]
        units: i64,
        #[command(flatten)]
        doing: DoingArguments,
    },
    /// Correct how many units there are; exit 1 if more are on hold
    #[command(group = ArgGroup::new("correction").required(true))]
    Adjust {
        /// The SKU's code
        #[arg(value_parser = |text: &str| SkuCode::parse(text))]
        sku: SkuCode,
        /// Units that were counted, those on hold included
        #[arg(long, group = "correction")]
        to: Option<i64>,
        /// Units that are there too many, or missing if the number is negative
        #[arg(long, group = "correction", allow_negative_numbers = true)]
        by: Option<i64>,
        #[command(flatten)]
        doing: DoingArguments,
    },
}

/// Who does something, and why.
#[derive(Args)]
struct DoingArguments {
    /// Why; the audit log keeps it
    #[arg(long, value_parser = |text: &str| Reason::parse(text))]
    reason: Reason,
    /// Who does this
    #[arg(long, env = "USER", default_value = "unknown")]
    actor: String,
    /// The same key corrects once, however often it is given
    #[arg(long, value_parser = |text: &str| IdempotencyKey::parse(text))]
    key: Option<IdempotencyKey>,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: StockArguments) -> anyhow::Result<()> {
    let pool = super::pool(&arguments.database, "holdfast-stock")?;
    match arguments.command {
        StockCommand::List { text, after, json } => {
            let page = stock::list(&mut *pool.acquire().await?, &StockFilter { text, after }).await?;
            if json { println!("{}", serde_json::to_string_pretty(&page)?) } else { print_page(&page) }
        }
        StockCommand::Show { sku, before, json, time_zone } => {
            let from = MovementsFrom::parse(before.as_deref())?;
            let detail = stock::show(&mut *pool.acquire().await?, &sku, from, time_zone.time_zone).await?;
            if json { println!("{}", serde_json::to_string_pretty(&detail)?) } else { print_sku(&detail) }
        }
        StockCommand::Receive { sku, units, doing } => {
            correct(&pool, &sku, Correction::Receive(units), doing).await?;
        }
        StockCommand::Adjust { sku, to, by, doing } => {
            let correction = to.map(Correction::Count).or(by.map(Correction::By));
            correct(&pool, &sku, correction.context("--to or --by")?, doing).await?;
        }
    }
    Ok(())
}

async fn correct(
    pool: &PgPool,
    sku: &SkuCode,
    correction: Correction,
    doing: DoingArguments,
) -> anyhow::Result<()> {
    let actor = Actor { name: doing.actor, role: Role::Operator };
    let key = doing.key.map_or_else(|| IdempotencyKey::parse(Uuid::now_v7().to_string()), Ok)?;
    let mut tx = pool.begin().await?;
    let on_hand = stock::correct(&mut tx, &actor, sku, (&key, correction), &doing.reason).await?;
    tx.commit().await?;
    if doing.json {
        println!("{}", json!({"sku": sku, "on_hand": on_hand}));
    } else {
        println!("{sku}: {on_hand} on hand");
    }
    Ok(())
}

fn print_page(page: &StockPage) {
    println!("{:24}  {:>10}  {:>10}  {:>10}  name", "sku", "on hand", "reserved", "available");
    for sku in &page.skus {
        let (code, name) = (&sku.sku, printable(&sku.name));
        println!(
            "{code:24}  {:>10}  {:>10}  {:>10}  {name}",
            sku.on_hand,
            sku.reserved,
            available(sku, ">=")
        );
    }
    println!("{} SKUs", page.skus.len());
    if let Some(next) = &page.next {
        println!("more with --after {next}");
    }
}

/// How many units the next buyer can have, after a word where there may be more.
fn available(sku: &SkuView, at_least: &str) -> String {
    format!("{}{}", if sku.available_is_at_least { at_least } else { "" }, sku.available)
}

fn print_sku(detail: &SkuDetail) {
    let (sku, sales) = (&detail.sku, detail.sales);
    println!("sku         {} ({})", sku.sku, printable(&sku.name));
    println!("on hand     {}", sku.on_hand);
    println!("reserved    {}", sku.reserved);
    println!("available   {}", available(sku, "at least "));
    println!(
        "sold        {} today, {} in 7 days, {} in 30 days",
        sales.today, sales.last_7_days, sales.last_30_days
    );
    println!("\nlive holds");
    if detail.holds_may_be_more {
        println!("(the shop has very many; only those that fall due first were looked through)");
    }
    for hold in &detail.holds {
        let customer = printable(&hold.customer);
        println!(
            "{}  {:>6} units  {:>7} s left  {:6}  {customer}",
            hold.order_id, hold.units, hold.seconds_left, hold.status
        );
    }
    println!("\nmovements");
    for movement in &detail.movements {
        let who = movement.order_id.map(|order| format!("order {order}")).or(movement.actor.clone());
        let why = movement.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        println!(
            "{}  {:9}  {:>+8}  {:>8} on hand  {}",
            movement.created_at.format("%Y-%m-%dT%H:%M:%SZ"),
            movement.kind,
            movement.units,
            movement.on_hand,
            printable(&format!("{}{why}", who.unwrap_or_else(|| "shop".to_owned())))
        );
    }
    if let Some(next) = &detail.next {
        println!("more with --before {next}");
    }
}
