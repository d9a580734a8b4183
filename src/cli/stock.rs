//! `holdfast stock`: list, show, receive and adjust.

use clap::{ArgGroup, Args, Subcommand};
use holdfast::domain::ids::{IdempotencyKey, SkuCode};
use holdfast::domain::reason::Reason;
use holdfast::http::views::SkuView;
use holdfast::ops::stock::StockFilter;
use holdfast::ops::stock::api::{Adjust, MovementQuery, Receive};
use holdfast::ops::stock::view::{SkuDetail, StockPage};
use holdfast::terminal::printable;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::client::{ApiArguments, ApiClient, Manner, print_json, segment};
use super::output::say;

#[derive(Args)]
pub(super) struct StockArguments {
    #[command(flatten)]
    api: ApiArguments,
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
        doing: StockActArguments,
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
        doing: StockActArguments,
    },
}

/// Why something is done, and how.
#[derive(Args)]
struct StockActArguments {
    /// Why; the audit log keeps it
    #[arg(long, value_parser = |text: &str| Reason::parse(text))]
    reason: Reason,
    /// The same key corrects once, however often it is given
    #[arg(long, value_parser = |text: &str| IdempotencyKey::parse(text))]
    key: Option<IdempotencyKey>,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: StockArguments) -> anyhow::Result<()> {
    let api = arguments.api.open()?;
    match arguments.command {
        StockCommand::List { text, after, json } => {
            let page: StockPage = api.find("/v1/ops/stock", &StockFilter { text, after }).await?;
            if json {
                return print_json(&page);
            }
            print_page(&page);
            Ok(())
        }
        StockCommand::Show { sku, before, json } => {
            let detail: SkuDetail = api.find(&path(&sku), &MovementQuery { before }).await?;
            if json {
                return print_json(&detail);
            }
            print_sku(&detail);
            Ok(())
        }
        StockCommand::Receive { sku, units, doing } => {
            let request = Receive { units, reason: doing.reason.clone() };
            correct(&api, &sku, "receive", &request, doing).await
        }
        StockCommand::Adjust { sku, to, by, doing } => {
            let request = Adjust { on_hand: to, by, reason: doing.reason.clone() };
            correct(&api, &sku, "adjust", &request, doing).await
        }
    }
}

fn path(sku: &SkuCode) -> String {
    format!("/v1/ops/stock/{}", segment(sku.as_str()))
}

async fn correct(
    api: &ApiClient,
    sku: &SkuCode,
    how: &str,
    request: &impl Serialize,
    doing: StockActArguments,
) -> anyhow::Result<()> {
    let key = doing.key.map_or_else(|| IdempotencyKey::parse(Uuid::now_v7().to_string()), Ok)?;
    let manner = Manner { key: Some(&key), ..Manner::default() };
    let told: SkuDetail = api.act(&format!("{}/{how}", path(sku)), request, manner).await?;
    let on_hand = told.sku.on_hand;
    if doing.json {
        say!("{}", json!({"sku": sku, "on_hand": on_hand}));
    } else {
        say!("{sku}: {on_hand} on hand");
    }
    Ok(())
}

fn print_page(page: &StockPage) {
    say!("{:24}  {:>10}  {:>10}  {:>10}  name", "sku", "on hand", "reserved", "available");
    for sku in &page.skus {
        let (code, name) = (&sku.sku, printable(&sku.name));
        say!("{code:24}  {:>10}  {:>10}  {:>10}  {name}", sku.on_hand, sku.reserved, available(sku, ">="));
    }
    say!("{} SKUs", page.skus.len());
    if let Some(next) = &page.next {
        say!("more with --after {next}");
    }
}

/// How many units the next buyer can have, after a word where there may be more.
fn available(sku: &SkuView, at_least: &str) -> String {
    format!("{}{}", if sku.available_is_at_least { at_least } else { "" }, sku.available)
}

fn print_sku(detail: &SkuDetail) {
    let (sku, sales) = (&detail.sku, detail.sales);
    say!("sku         {} ({})", sku.sku, printable(&sku.name));
    say!("on hand     {}", sku.on_hand);
    say!("reserved    {}", sku.reserved);
    say!("available   {}", available(sku, "at least "));
    say!(
        "sold        {} today, {} in 7 days, {} in 30 days",
        sales.today,
        sales.last_7_days,
        sales.last_30_days
    );
    say!("\nlive holds");
    if detail.holds_may_be_more {
        say!("(the shop has very many; only those that fall due first were looked through)");
    }
    for hold in &detail.holds {
        let customer = printable(&hold.customer);
        say!(
            "{}  {:>6} units  {:>7} s left  {:6}  {customer}",
            hold.order_id,
            hold.units,
            hold.seconds_left,
            hold.status
        );
    }
    say!("\nmovements");
    for movement in &detail.movements {
        let who = movement.order_id.map(|order| format!("order {order}")).or(movement.actor.clone());
        let why = movement.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        say!(
            "{}  {:9}  {:>+8}  {:>8} on hand  {}",
            movement.created_at.format("%Y-%m-%dT%H:%M:%SZ"),
            movement.kind,
            movement.units,
            movement.on_hand,
            printable(&format!("{}{why}", who.unwrap_or_else(|| "shop".to_owned())))
        );
    }
    if let Some(next) = &detail.next {
        say!("more with --before {next}");
    }
}
