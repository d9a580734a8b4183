//! The orders of a batch that come to wait, and where they stand in line.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::domain::allocation::Decision;
use holdfast::domain::ids::{SkuCode, SkuId};
use holdfast::domain::shelf::Shelf;
use holdfast::domain::waiting::WaitSeconds;
use holdfast::message::HoldOrder;
use holdfast::store::stock::NewInLine;
use holdfast::store::waiting::NewWait;

/// Until when an order waits: its patience begins with the sale.
pub(super) fn wait_until(
    order: &HoldOrder,
    sale_from: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let patience = order.wait.map_or(WaitSeconds::STANDARD, |terms| terms.seconds);
    sale_from.unwrap_or(now).max(now) + TimeDelta::seconds(patience.seconds().into())
}

/// The orders of a batch that come to wait.
#[derive(Debug, Default)]
pub(super) struct Waits {
    pub(super) waits: Vec<NewWait>,
    /// Their places in lines.
    pub(super) lines: Vec<NewInLine>,
    /// The SKUs of which there are too few for them.
    pub(super) short: BTreeSet<SkuCode>,
}

impl Waits {
    /// Adds an order, if it waits. The shelf tells why, or those SKUs of which there are units that somebody in line may have.
    pub(super) fn add(
        &mut self,
        order: &HoldOrder,
        decision: &Decision,
        (shelf, contended): (&Shelf, &[SkuId]),
        now: DateTime<Utc>,
    ) {
        let Decision::Waiting { items, lines, sale_from, .. } = decision else { return };
        for (sku_id, units) in lines.iter().copied() {
            let on_sale = items
                .iter()
                .find(|item| item.sku_id == sku_id)
                .and_then(|item| shelf.get_key_value(&item.sku));
            let on_sale = on_sale.filter(|(_, sku)| sku.sale.is_on(now));
            let is_short = on_sale.is_some() && !contended.contains(&sku_id);
            self.short.extend(on_sale.map(|(code, _)| code.clone()));
            self.lines.push(NewInLine { sku_id, units, is_short });
        }
        self.waits.push(NewWait {
            order_id: order.order_id,
            customer_id: order.customer_id.clone(),
            hold_seconds: order.hold_seconds,
            wait_for: order.wait.map(|terms| terms.wait_for).unwrap_or_default(),
            wait_until: wait_until(order, *sale_from, now),
            lines: lines.clone(),
        });
    }
}
