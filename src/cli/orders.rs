//! `holdfast orders`: search, show, cancel, resolve and refund.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use holdfast::domain::card::Stated;
use holdfast::domain::ids::{IdempotencyKey, SkuCode};
use holdfast::domain::items::Quantity;
use holdfast::domain::reason::Reason;
use holdfast::http::headers::MAX_WAIT_SECONDS;
use holdfast::http::routes::refunds::RefundRequestItem;
use holdfast::http::views::OrderView;
use holdfast::ops::orders::api::{Because, OpsRefundRequest, Settle};
use holdfast::ops::orders::filter::OrderFilter;
use holdfast::ops::orders::view::{
    OrderDetail, OrderPage, OrderSummary, PaymentDetail, RefundDetail, Resolved,
};
use holdfast::terminal::printable;
use uuid::Uuid;

use super::client::{ApiArguments, Manner, print_json};
use super::output::say;

#[derive(Args)]
pub(super) struct OrderArguments {
    #[command(flatten)]
    api: ApiArguments,
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
    /// Have a hold called off; exit 1 if the order is paid or over
    Cancel {
        /// The order's id
        id: Uuid,
        #[command(flatten)]
        doing: OrderActArguments,
    },
    /// Have the gateway asked now about what is not settled; exit 1 if something still is not
    Resolve {
        /// The order's id
        id: Uuid,
        #[command(flatten)]
        doing: OrderActArguments,
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
        doing: OrderActArguments,
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
        doing: OrderActArguments,
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

/// Why something is done, and how.
#[derive(Args)]
struct OrderActArguments {
    /// Why; the audit log keeps it
    #[arg(long, value_parser = |text: &str| Reason::parse(text))]
    reason: Reason,
    /// Wait so many seconds for the outcome, at most 30; with 0 as long as the API does by itself
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=MAX_WAIT_SECONDS))]
    wait: u64,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

impl OrderActArguments {
    fn manner(&self) -> Manner<'static> {
        Manner { wait_seconds: self.wait, ..Manner::default() }
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
    let api = arguments.api.open()?;
    match arguments.command {
        OrderCommand::Search { filter, json } => {
            let page: OrderPage = api.find("/v1/ops/orders", &OrderFilter::from(filter)).await?;
            if json { print_json(&page)? } else { print_page(&page) }
        }
        OrderCommand::Show { id, json } => {
            let order: OrderDetail = api.get(&path(id)).await?;
            if json { print_json(&order)? } else { print_order(&order) }
        }
        OrderCommand::Cancel { id, doing } => {
            let request = Because { reason: doing.reason.clone() };
            let order: OrderView = api.act(&format!("{}/cancel", path(id)), &request, doing.manner()).await?;
            tell_order(&order, &doing)?;
        }
        OrderCommand::Refund { id, items, write_off, key, doing } => {
            let key = key.map_or_else(|| IdempotencyKey::parse(Uuid::now_v7().to_string()), Ok)?;
            let manner = Manner { key: Some(&key), ..doing.manner() };
            let order: OrderView =
                api.act(&format!("{}/refunds", path(id)), &refund(items, !write_off, &doing), manner).await?;
            tell_order(&order, &doing)?;
        }
        OrderCommand::Resolve { id, doing } => {
            let request = Because { reason: doing.reason.clone() };
            let told: Resolved = api.act(&format!("{}/resolve", path(id)), &request, doing.manner()).await?;
            return tell_money(&told, &doing);
        }
        OrderCommand::SettlePayment { id, payment, stated, doing } => {
            let request = Settle { stated, reason: doing.reason.clone() };
            let to = format!("{}/payments/{payment}/settle", path(id));
            let told: Resolved = api.act(&to, &request, doing.manner()).await?;
            return tell_money(&told, &doing);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn path(order: Uuid) -> String {
    format!("/v1/ops/orders/{order}")
}

fn refund(items: Vec<(SkuCode, Quantity)>, restock: bool, doing: &OrderActArguments) -> OpsRefundRequest {
    let item = |(sku, quantity): (SkuCode, Quantity)| RefundRequestItem {
        sku: sku.to_string(),
        quantity: quantity.into(),
        restock: None,
    };
    let items: Vec<RefundRequestItem> = items.into_iter().map(item).collect();
    let items = Some(items).filter(|items| !items.is_empty());
    OpsRefundRequest { items, restock: Some(restock), reason: doing.reason.clone() }
}

/// Tells what came of a command.
fn tell_order(order: &OrderView, doing: &OrderActArguments) -> anyhow::Result<()> {
    if doing.json {
        return print_json(order);
    }
    match &*order.status {
        "accepted" => say!("{}: accepted, not decided yet", order.id),
        status => say!("{} is {status}", order.id),
    }
    Ok(())
}

/// Tells how the order's money stands; exit 1 if it is not settled.
fn tell_money(told: &Resolved, doing: &OrderActArguments) -> anyhow::Result<ExitCode> {
    if doing.json {
        print_json(told)?;
    } else {
        say!("{} payments and refunds asked about", told.asked.len());
        print_money(&told.payments, &told.refunds);
    }
    Ok(if told.is_settled { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_page(page: &OrderPage) {
    say!("{:36}  {:20}  {:15}  {:>12}  {:20}  items", "id", "decided", "status", "won", "customer");
    for order in &page.orders {
        let when = order.created_at.format("%Y-%m-%dT%H:%M:%SZ");
        let items: Vec<String> =
            order.items.iter().map(|item| format!("{} × {}", item.quantity, item.sku)).collect();
        let OrderSummary { id, status, amount_won, customer, .. } = order;
        say!(
            "{id}  {when}  {status:15}  {amount_won:>12}  {:20}  {}",
            printable(customer),
            printable(&items.join(", "))
        );
    }
    say!("{} orders", page.orders.len());
    if let Some(next) = page.next {
        say!("more with --after {next}");
    }
}

fn print_order(detail: &OrderDetail) {
    let order = &detail.order;
    let left = detail.seconds_left.map(|seconds| format!("{seconds} s left"));
    let deadline = order.expires_at.map(|at| at.to_rfc3339());
    say!("id          {}", order.id);
    say!("customer    {}", printable(&detail.customer));
    say!("status      {}: {}", order.status, detail.explained);
    say!("amount      {} won", order.amount_won.unwrap_or(0));
    if let Some(deadline) = deadline {
        say!("deadline    {deadline} {}", left.unwrap_or_default());
    }
    for item in &order.items {
        let name = printable(&item.name);
        say!("item        {} × {} ({name}), {} won", item.quantity, item.sku, item.amount_won);
    }
    print_money(&detail.payments, &detail.refunds);
    say!("");
    for row in &detail.timeline {
        say!(
            "{}  {:11}  {}",
            row.at.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
            row.kind.name(),
            printable(&row.title)
        );
        for detail in &row.details {
            say!("{:40}{}: {}", "", printable(&detail.name), printable(&detail.value));
        }
    }
}

fn print_money(payments: &[PaymentDetail], refunds: &[RefundDetail]) {
    for payment in payments {
        say!("payment     {} {}: {}", payment.id, payment.status, payment.explained);
    }
    for refund in refunds {
        say!("refund      {} {} won, {}: {}", refund.id, refund.amount_won, refund.status, refund.explained);
    }
}
