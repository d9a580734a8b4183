//! The end of a refund: money, stock, order and fact, all in one transaction.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::ledger::{Phase, refund};
use holdfast::domain::money::Won;
use holdfast::domain::order::RefundStep;
use holdfast::domain::payment::Parts;
use holdfast::domain::refund::RefundItem;
use holdfast::event::{OrderEvent, RefundedItem};
use holdfast::store::events::NewEvent;
use holdfast::store::ledger::{self, Posting};
use holdfast::store::orders::{OrderRow, units_bought};
use holdfast::store::refunds;
use metrics::counter;
use sqlx::PgConnection;

use super::{facts, release};
use crate::engine::counted_at_commit;

/// A refund that is to be done.
#[derive(Debug, Clone)]
pub(crate) struct Refunded {
    pub(crate) id: CommandId,
    /// The order it is of.
    pub(crate) order_id: OrderId,
    /// Whose purses its money goes back to.
    pub(crate) customer_id: String,
    /// Where the money goes back to.
    pub(crate) parts: Parts,
}

/// Does what these refunds say. Their rows say already that they are done; their orders, which are used up here, and purses
/// are locked.
pub(crate) async fn give_back(
    tx: &mut PgConnection,
    done: &[Refunded],
    mut orders: HashMap<OrderId, OrderRow>,
) -> sqlx::Result<()> {
    if done.is_empty() {
        return Ok(());
    }
    let ids: Vec<CommandId> = done.iter().map(|refunded| refunded.id).collect();
    let mut steps: HashMap<OrderId, RefundStep> = HashMap::new();
    for order_id in done.iter().map(|refunded| refunded.order_id) {
        if let Entry::Vacant(first) = steps.entry(order_id) {
            let order = orders.remove(&order_id).ok_or(sqlx::Error::RowNotFound)?;
            first.insert(order.state.refund().map_err(|_| sqlx::Error::RowNotFound)?);
        }
    }
    let finished = done.iter().map(|refunded| (refunded.id, refunded.order_id, &steps[&refunded.order_id]));
    let finished: Vec<(CommandId, OrderId, &RefundStep)> = finished.collect();
    let postings: Vec<Posting> = done
        .iter()
        .map(|refunded| Posting {
            transaction: refunded.id,
            phase: Phase::Posted,
            customer_id: refunded.customer_id.clone(),
            entries: refund(refunded.parts),
        })
        .collect();
    ledger::post(tx, &postings).await?;
    let whole = refunds::advance_orders(tx, &finished).await?;
    let mut items: HashMap<CommandId, Vec<RefundItem>> = HashMap::new();
    for (id, item) in refunds::items_of(tx, &ids).await? {
        items.entry(id).or_default().push(item);
    }
    // Of several refunds of one order the last one makes it whole.
    let last: HashMap<OrderId, CommandId> =
        done.iter().map(|refunded| (refunded.order_id, refunded.id)).collect();
    let told: Vec<NewEvent> = done
        .iter()
        .map(|refunded| {
            let is_whole = whole.contains(&refunded.order_id) && last[&refunded.order_id] == refunded.id;
            told(refunded, is_whole, items.remove(&refunded.id).unwrap_or_default())
        })
        .collect();
    facts::append(tx, &told).await?;
    let changes = refunds::restock(tx, &ids).await?;
    release::change_stock(tx, &changes).await?;
    units_bought::take_back(tx, &ids).await?;
    counted_at_commit::count(counter!("holdfast_refunds_total", "outcome" => "done"), done.len());
    Ok(())
}

fn told(refunded: &Refunded, is_whole: bool, items: Vec<RefundItem>) -> NewEvent {
    let items = items.into_iter().map(|item| RefundedItem {
        sku: item.sku,
        quantity: item.quantity,
        amount_won: item.amount,
        restocked: item.restock,
    });
    let event = OrderEvent::Refunded {
        refund_id: refunded.id,
        amount_won: refunded.parts.total().unwrap_or(Won(0)),
        is_whole,
        items: items.collect(),
    };
    NewEvent { order_id: refunded.order_id, command_id: Some(refunded.id), event }
}
