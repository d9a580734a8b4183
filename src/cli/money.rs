//! `holdfast money`: what a gateway has not settled.

use clap::Args;
use holdfast::ops::console::filters::age;
use holdfast::ops::money::MoneyView;
use holdfast::store::payments::unsettled::UnmatchedWebhook;
use holdfast::terminal::printable;

use super::client::{ApiArguments, print_json};
use super::output::say;

#[derive(Args)]
pub(super) struct MoneyArguments {
    #[command(flatten)]
    api: ApiArguments,
    /// JSON instead of tables
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: MoneyArguments) -> anyhow::Result<()> {
    let money: MoneyView = arguments.api.open()?.get("/v1/ops/money").await?;
    if arguments.json {
        return print_json(&money);
    }
    print(&money);
    Ok(())
}

fn print(money: &MoneyView) {
    let or_more = |more: bool| if more { " or more" } else { "" };
    say!("{}{} on its way at a gateway", money.on_its_way.len(), or_more(money.more_on_its_way));
    for one in &money.on_its_way {
        let whose = one.order_id.map_or_else(
            || format!("wallet of {}", printable(one.customer_id.as_deref().unwrap_or("–"))),
            |order| format!("order {order}"),
        );
        say!(
            "  {:8}  {:10}  {:>12} won  for {:8}  {whose}  {}",
            one.kind,
            one.status,
            one.amount_won,
            age(one.age_seconds),
            printable(one.payment_key.as_deref().unwrap_or("–"))
        );
    }
    say!(
        "{}{} webhooks of the last day about no payment of ours that name an order or a charge of ours, or are signed",
        money.unmatched_webhooks.len(),
        or_more(money.more_unmatched_webhooks)
    );
    print_webhooks(&money.unmatched_webhooks);
    say!(
        "{}{} webhooks of the last day about nothing of ours",
        money.strange_webhooks.len(),
        or_more(money.more_strange_webhooks)
    );
    print_webhooks(&money.strange_webhooks);
}

fn print_webhooks(webhooks: &[UnmatchedWebhook]) {
    for webhook in webhooks {
        say!(
            "  {}  {}  {}  {}",
            webhook.received_at.format("%F %T"),
            printable(&webhook.provider),
            printable(&webhook.kind),
            printable(webhook.payment_key.as_deref().unwrap_or("–"))
        );
    }
}
