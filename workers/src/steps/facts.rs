//! Facts are written down in one place, so that each is counted.

use holdfast::domain::refusal::Refusal;
use holdfast::event::OrderEvent;
use holdfast::store::events::{self, NewEvent};
use metrics::counter;
use sqlx::PgConnection;

use crate::engine::counted_at_commit;

/// Where an outcome needs no reason.
const NO_REASON: &str = "none";

/// Writes facts down, and counts what became of orders once they are committed.
pub(crate) async fn append(tx: &mut PgConnection, facts: &[NewEvent]) -> sqlx::Result<()> {
    events::append(tx, facts).await?;
    // Facts of one batch are mostly of one kind: each run of them is counted at once.
    let decided = facts.iter().filter_map(|fact| decision(&fact.event)).collect::<Vec<_>>();
    for run in decided.chunk_by(|one, other| one == other) {
        let (outcome, reason) = run[0];
        let counter = counter!("holdfast_orders_decided_total", "outcome" => outcome, "reason" => reason);
        counted_at_commit::count(counter, run.len());
    }
    Ok(())
}

/// What a fact decides about its order, and why.
fn decision(event: &OrderEvent) -> Option<(&'static str, &'static str)> {
    Some(match event {
        OrderEvent::Waiting { .. } => ("waiting", NO_REASON),
        OrderEvent::Held { .. } => ("held", NO_REASON),
        OrderEvent::Refused { refusal, .. } => ("refused", refusal_name(refusal)),
        OrderEvent::Expired { .. } => ("expired", NO_REASON),
        OrderEvent::Cancelled {} => ("cancelled", NO_REASON),
        OrderEvent::Paid { .. } => ("paid", NO_REASON),
        OrderEvent::Refunded { is_whole: true, .. } => ("refunded", NO_REASON),
        OrderEvent::Refunded { is_whole: false, .. } => ("partly_refunded", NO_REASON),
        OrderEvent::Extended { .. }
        | OrderEvent::ExtensionRefused { .. }
        | OrderEvent::PaymentDeclined { .. }
        | OrderEvent::PaymentLate { .. }
        | OrderEvent::PaymentReturned { .. }
        | OrderEvent::RefundRefused { .. } => return None,
    })
}

fn refusal_name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::OutOfStock { .. } => "out_of_stock",
        Refusal::UnknownSku { .. } => "unknown_sku",
        Refusal::OffSale { .. } => "off_sale",
        Refusal::WaitEnded => "wait_ended",
        Refusal::PriceChanged { .. } => "price_changed",
        Refusal::TooManyHolds { .. } => "too_many_holds",
        Refusal::TooManyUnits { .. } => "too_many_units",
        Refusal::AmountTooLarge => "amount_too_large",
    }
}
