//! `holdfast reconcile`: our payments beside the gateway's transactions.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::Args;
use holdfast::broker::address::Address;
use holdfast::broker::connection::Connector;
use holdfast::broker::envelope::Outgoing;
use holdfast::broker::publisher::Publisher;
use holdfast::broker::settings::AmqpConfig;
use holdfast::clock;
use holdfast::config::DatabaseConfig;
use holdfast::gateway::settings::GatewaySettings;
use holdfast::message::{ChargeWallet, ResolvePayment, ResolveRefund, Version};
use holdfast::reconcile::{self, Difference, Report, Window};
use indicatif::{ProgressBar, ProgressStyle};

use super::output::{note, say};

const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);
const BROKER_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(super) struct ReconcileArguments {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    gateway: GatewaySettings,
    /// The first day (2026-11-20, UTC) or instant (2026-11-20T09:00:00+09:00)
    #[arg(long, value_parser = beginning)]
    from: DateTime<Utc>,
    /// The last day or instant, included
    #[arg(long, value_parser = end)]
    to: DateTime<Utc>,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Have the payments that differ, or are still open, asked for again
    #[arg(long, requires = "amqp_url")]
    fix: bool,
    /// For `--fix`
    #[command(flatten)]
    amqp: Option<AmqpConfig>,
}

/// Compares; exit 1 if anything differs.
pub(super) async fn run(arguments: ReconcileArguments) -> anyhow::Result<ExitCode> {
    let gateway =
        arguments.gateway.open()?.context("no gateway is configured: set HOLDFAST_TOSS_SECRET_KEY")?;
    let pool = super::pool(&arguments.database, "holdfast-reconcile")?;
    let window = Window { from: arguments.from, until: arguments.to };
    // Shown on a terminal only; a log or a pipe gets the result alone.
    let style = "{spinner} {human_pos} transactions and payments compared, up to {msg} ({elapsed})";
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template(style)?);
    let progress = |looked_at, until: DateTime<Utc>| {
        bar.set_message(until.format("%Y-%m-%d %H:%M UTC").to_string());
        bar.set_position(looked_at);
    };
    let compared = reconcile::compare(&pool, gateway.as_ref(), window, progress).await;
    bar.finish_and_clear();
    let report = compared?;
    // Done before anything is printed: nobody may be there to read it.
    let asked_again = match (arguments.fix, &arguments.amqp) {
        (true, Some(amqp)) => Some(fix(&amqp.address()?, &report.differences).await),
        _ => None,
    };
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    if let Some(asked_again) = asked_again {
        let count = asked_again?;
        note!("{count} payments and charges are asked for again; reconcile later to see what came of it.");
    }
    Ok(if report.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report) {
    let Report { transactions, payments, differences } = report;
    say!("{transactions} transactions, {payments} payments, {} differences", differences.len());
    if differences.is_empty() {
        return;
    }
    say!(
        "{:<15} {:>14} {:>14}  {:<36}  payment key",
        "difference",
        "ours (won)",
        "gateway (won)",
        "order or charge"
    );
    for difference in differences {
        let kind = serde_json::to_value(difference.kind).expect("a kind is a word");
        let order = difference.order_id.map(|order| order.to_string());
        let charge = difference.charge_id.map(|charge| charge.0.to_string());
        let order = order.or(charge).unwrap_or_else(|| "-".to_owned());
        say!(
            "{:<15} {:>14} {:>14}  {order:<36}  {}",
            kind.as_str().unwrap_or_default(),
            difference.ours_won,
            difference.gateways_won,
            difference.payment_key.as_str(),
        );
    }
}

/// Has the gateway asked about each payment and charge we know. Returns for how many.
async fn fix(broker: &Address, differences: &[Difference]) -> anyhow::Result<usize> {
    let now = clock::now();
    let messages: Vec<Outgoing> =
        differences.iter().filter_map(|difference| hurry(difference, now)).collect();
    let publisher = Publisher::start(Connector::new(broker, "holdfast-reconcile"), CONFIRM_TIMEOUT);
    tokio::time::timeout(BROKER_PATIENCE, publisher.wait_until_connected())
        .await
        .context("cannot reach RabbitMQ")?;
    let count = messages.len();
    publisher.publish_all(messages).await?;
    Ok(count)
}

fn hurry(difference: &Difference, now: DateTime<Utc>) -> Option<Outgoing> {
    let (version, is_hint) = (Version, true);
    if let Some(charge_id) = difference.charge_id {
        return Some(Outgoing::command(&ChargeWallet { version, charge_id, is_hint }, now, None));
    }
    let (payment_id, order_id) = (difference.payment_id?, difference.order_id?);
    if let Some(refund_id) = difference.refund_id {
        return Some(Outgoing::command(&ResolveRefund { version, refund_id, order_id }, now, None));
    }
    Some(Outgoing::command(&ResolvePayment::hint(payment_id, order_id), now, None))
}

fn beginning(text: &str) -> Result<DateTime<Utc>, String> {
    instant(text, NaiveTime::MIN)
}

fn end(text: &str) -> Result<DateTime<Utc>, String> {
    let last_second = NaiveTime::MIN - TimeDelta::seconds(1);
    instant(text, last_second)
}

/// An instant, or a day and the time of it that is meant.
fn instant(text: &str, time: NaiveTime) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(time).and_utc());
    }
    let instant = DateTime::parse_from_rfc3339(text);
    instant.map(|instant| instant.to_utc()).map_err(|_| "neither a day nor an instant".to_owned())
}
