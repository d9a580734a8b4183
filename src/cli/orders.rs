//! `holdfast orders`: search, show, cancel, resolve and refund.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use holdfast::broker::connection::Connector;
use holdfast::broker::publisher::Publisher;
use holdfast::broker::settings::AmqpConfig;
use holdfast::config::DatabaseConfig;
use holdfast::domain::card::Stated;
use holdfast::domain::ids::{CommandId, IdempotencyKey, OrderId, SkuCode};
use holdfast::domain::items::Quantity;
use holdfast::domain::refund::{Asked, AskedItem};
use holdfast::http::outcome::{self, Awaited};
use holdfast::ops::orders::filter::OrderFilter;
use holdfast::ops::orders::view::{OrderDetail, OrderPage, OrderSummary};
use holdfast::ops::orders::{self, actions};
use holdfast::ops::reason::Reason;
use holdfast::ops::rights::Actor;
use holdfast::store::operators::tokens::Role;
use holdfast::terminal::printable;
use serde_json::json;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);
const BROKER_PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(super) struct OrderArguments {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(subcommand)]
    command: OrderCommand,
}

#[derive(Subcommand)]
enum OrderCommand {
    /// Look for orders, newest first, a page of 100 at a time
    Search {
        #[command(flatten)]
        filter: FilterArguments,
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Show one with everything that happened to it
    Show {
        /// Its id
        id: Uuid,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Have a hold called off; exit 1 if the order is not on hold any more
    Cancel {
        /// The order's id
        id: Uuid,
        #[command(flatten)]
        doing: DoingArguments,
    },
    /// Have the gateway asked now about what is not settled; exit 1 if something still is not
    Resolve {
        /// The order's id
        id: Uuid,
        #[command(flatten)]
        doing: DoingArguments,
    },
    /// Say what came of a payment that the gateway never gives a definite answer to; exit 1 if it is not settled then
    SettlePayment {
        /// The order's id
        id: Uuid,
        /// The payment's id
        payment: Uuid,
        /// What the gateway's own console says: captured, not-taken or returned
        #[arg(long = "as", value_parser = stated)]
        stated: Stated,
        #[command(flatten)]
        doing: DoingArguments,
    },
    /// Have money given back; exit 1 if none is
    Refund {
        /// The order's id
        id: Uuid,
        /// Units to give back, such as `mug=2`; everything that is left when absent
        #[arg(long = "item", value_parser = item)]
        items: Vec<(SkuCode, Quantity)>,
        /// The units are not sold again
        #[arg(long)]
        write_off: bool,
        /// The same key asks for one refund, however often it is given
        #[arg(long, value_parser = |text: &str| IdempotencyKey::parse(text))]
        key: Option<IdempotencyKey>,
        #[command(flatten)]
        doing: DoingArguments,
    },
}

#[derive(Args)]
struct FilterArguments {
    /// An order id, or how one begins
    #[arg(long)]
    order: Option<String>,
    /// A customer
    #[arg(long)]
    customer: Option<String>,
    /// The code of a SKU that the order has
    #[arg(long)]
    sku: Option<String>,
    /// held, paying, paid, partly_refunded, refunded, refused, expired or cancelled
    #[arg(long)]
    status: Option<String>,
    /// A gateway's payment key or order id, or our id of a payment or refund
    #[arg(long)]
    payment: Option<String>,
    /// Decided at this time or later, such as 2026-11-20T09:00 (UTC)
    #[arg(long)]
    from: Option<String>,
    /// Decided before this time
    #[arg(long)]
    until: Option<String>,
    /// The last order of the page before
    #[arg(long)]
    after: Option<String>,
}

impl From<FilterArguments> for OrderFilter {
    fn from(arguments: FilterArguments) -> Self {
        let FilterArguments { order, customer, sku, status, payment, from, until, after } = arguments;
        Self { order, customer, sku, status, payment, from, until, after }
    }
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
    /// Wait so many seconds for the outcome
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=600))]
    wait: u64,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    amqp: AmqpConfig,
}

impl DoingArguments {
    fn actor(&self) -> Actor {
        Actor { name: self.actor.clone(), role: Role::Operator }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(self.wait)
    }

    async fn publisher(&self) -> anyhow::Result<Publisher> {
        let connector = Connector::new(&self.amqp.address()?, "holdfast-orders");
        let publisher = Publisher::start(connector, CONFIRM_TIMEOUT);
        tokio::time::timeout(BROKER_PATIENCE, publisher.wait_until_connected())
            .await
            .context("cannot reach RabbitMQ")?;
        Ok(publisher)
    }
}

fn stated(text: &str) -> Result<Stated, String> {
    let all = [Stated::Captured, Stated::NotTaken, Stated::Returned];
    let found = all.into_iter().find(|stated| stated.name() == text.replace('-', "_"));
    found.ok_or_else(|| "captured, not-taken or returned".to_owned())
}

fn item(text: &str) -> Result<(SkuCode, Quantity), String> {
    let (sku, quantity) = text.split_once('=').ok_or("write it as SKU=UNITS")?;
    let quantity = quantity.parse().map_err(|_| "units must be a whole number")?;
    let sku = SkuCode::parse(sku).map_err(|invalid| invalid.to_string())?;
    Ok((sku, Quantity::parse(quantity).map_err(|invalid| invalid.to_string())?))
}

pub(super) async fn run(arguments: OrderArguments) -> anyhow::Result<ExitCode> {
    let pool = super::pool(&arguments.database, "holdfast-orders")?;
    match arguments.command {
        OrderCommand::Search { filter, json } => {
            let page = orders::search(&mut *pool.begin().await?, &filter.into()).await?;
            if json { println!("{}", serde_json::to_string_pretty(&page)?) } else { print_page(&page) }
        }
        OrderCommand::Show { id, json } => {
            let order = orders::show(&mut *pool.acquire().await?, id.into()).await?;
            if json { println!("{}", serde_json::to_string_pretty(&order)?) } else { print_order(&order) }
        }
        OrderCommand::Cancel { id, doing } => {
            let (order, publisher) = (OrderId::from(id), doing.publisher().await?);
            let mut tx = pool.begin().await?;
            let messages = actions::cancel(&mut tx, &doing.actor(), order, &doing.reason).await?;
            tx.commit().await?;
            publisher.publish_all(messages).await?;
            return wait_for(&pool, order, Awaited::Cancellation, &doing).await;
        }
        OrderCommand::Resolve { id, doing } => return resolve(&pool, id.into(), &doing).await,
        OrderCommand::SettlePayment { id, payment, stated, doing } => {
            let (order, publisher) = (OrderId::from(id), doing.publisher().await?);
            let said = (CommandId(payment), stated);
            let mut tx = pool.begin().await?;
            let messages = actions::settle(&mut tx, &doing.actor(), order, said, &doing.reason).await?;
            tx.commit().await?;
            publisher.publish_all(messages).await?;
            return tell_money(&pool, order, &[payment], &doing).await;
        }
        OrderCommand::Refund { id, items, write_off, key, doing } => {
            let (order, publisher) = (OrderId::from(id), doing.publisher().await?);
            let key = key.map_or_else(|| IdempotencyKey::parse(Uuid::now_v7().to_string()), Ok)?;
            let refund = actions::refund_id(&mut *pool.acquire().await?, order, &key).await?;
            let asked = asked(items, !write_off);
            let mut tx = pool.begin().await?;
            let refund_of = (refund, asked);
            let messages = actions::refund(&mut tx, &doing.actor(), order, refund_of, &doing.reason).await?;
            tx.commit().await?;
            publisher.publish_all(messages).await?;
            return wait_for(&pool, order, Awaited::Refund(refund), &doing).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn asked(items: Vec<(SkuCode, Quantity)>, restock: bool) -> Asked {
    if items.is_empty() {
        return Asked::All { restock };
    }
    let item = |(sku, quantity)| AskedItem { sku, quantity, restock };
    Asked::Items(items.into_iter().map(item).collect())
}

/// Waits for what comes of a command, and tells it.
async fn wait_for(
    pool: &PgPool,
    order: OrderId,
    awaited: Awaited,
    doing: &DoingArguments,
) -> anyhow::Result<ExitCode> {
    let deadline = doing.deadline();
    loop {
        match outcome::look(&mut *pool.acquire().await?, order, awaited).await? {
            Some(Ok((_, view))) => {
                if doing.json {
                    println!("{}", serde_json::to_string_pretty(&view)?);
                } else {
                    println!("{order} is {}", view.status);
                }
                return Ok(ExitCode::SUCCESS);
            }
            Some(Err(refused)) => anyhow::bail!("{refused}"),
            None if Instant::now() >= deadline => {
                if doing.json {
                    println!("{}", json!({"id": order, "status": "accepted"}));
                } else {
                    println!("{order}: accepted, not decided yet");
                }
                return Ok(ExitCode::SUCCESS);
            }
            None => sleep(LOOK_AGAIN).await,
        }
    }
}

async fn resolve(pool: &PgPool, order: OrderId, doing: &DoingArguments) -> anyhow::Result<ExitCode> {
    let publisher = doing.publisher().await?;
    let mut tx = pool.begin().await?;
    let (asked, messages) = actions::resolve(&mut tx, &doing.actor(), order, &doing.reason).await?;
    tx.commit().await?;
    publisher.publish_all(messages).await?;
    tell_money(pool, order, &asked, doing).await
}

/// Waits until everything is settled, and tells how the order's money stands.
async fn tell_money(
    pool: &PgPool,
    order: OrderId,
    asked: &[Uuid],
    doing: &DoingArguments,
) -> anyhow::Result<ExitCode> {
    let deadline = doing.deadline();
    let detail = loop {
        let detail = orders::show(&mut *pool.acquire().await?, order).await?;
        if !detail.is_unsettled || Instant::now() >= deadline {
            break detail;
        }
        sleep(LOOK_AGAIN).await;
    };
    if doing.json {
        let told = json!({
            "asked": asked, "is_settled": !detail.is_unsettled,
            "payments": detail.payments, "refunds": detail.refunds,
        });
        println!("{told:#}");
    } else {
        println!("{} payments and refunds asked about", asked.len());
        print_money(&detail);
    }
    Ok(if detail.is_unsettled { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print_page(page: &OrderPage) {
    println!("{:36}  {:20}  {:15}  {:>12}  {:20}  items", "id", "decided", "status", "won", "customer");
    for order in &page.orders {
        let when = order.created_at.format("%Y-%m-%dT%H:%M:%SZ");
        let items: Vec<String> =
            order.items.iter().map(|item| format!("{} × {}", item.quantity, item.sku)).collect();
        let OrderSummary { id, status, amount_won, customer, .. } = order;
        println!(
            "{id}  {when}  {status:15}  {amount_won:>12}  {:20}  {}",
            printable(customer),
            printable(&items.join(", "))
        );
    }
    println!("{} orders", page.orders.len());
    if let Some(next) = page.next {
        println!("more with --after {next}");
    }
}

fn print_order(detail: &OrderDetail) {
    let order = &detail.order;
    let left = detail.seconds_left.map(|seconds| format!("{seconds} s left"));
    let deadline = order.expires_at.map(|at| at.to_rfc3339());
    println!("id          {}", order.id);
    println!("customer    {}", printable(&detail.customer));
    println!("status      {}: {}", order.status, detail.explained);
    println!("amount      {} won", order.amount_won.unwrap_or(0));
    if let Some(deadline) = deadline {
        println!("deadline    {deadline} {}", left.unwrap_or_default());
    }
    for item in &order.items {
        let name = printable(&item.name);
        println!("item        {} × {} ({name}), {} won", item.quantity, item.sku, item.amount_won);
    }
    print_money(detail);
    println!();
    for row in &detail.timeline {
        println!(
            "{}  {:11}  {}",
            row.at.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
            row.kind.name(),
            printable(&row.title)
        );
        for detail in &row.details {
            println!("{:40}{}: {}", "", printable(&detail.name), printable(&detail.value));
        }
    }
}

fn print_money(detail: &OrderDetail) {
    for payment in &detail.payments {
        println!("payment     {} {}: {}", payment.id, payment.status, payment.explained);
    }
    for refund in &detail.refunds {
        println!(
            "refund      {} {} won, {}: {}",
            refund.id, refund.amount_won, refund.status, refund.explained
        );
    }
}
