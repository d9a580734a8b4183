//! Orders as operators see them: searched, shown whole with everything that happened, and acted upon.

pub mod actions;
pub mod api;
pub mod filter;
pub mod pages;
pub mod timeline;
pub mod view;
mod words;

use sqlx::PgConnection;

use crate::domain::Invalid;
use crate::domain::allocation::HeldItem;
use crate::domain::ids::{CommandId, OrderId};
use crate::page;
use crate::store::orders::OrderStatus;
use crate::store::orders::search::OrderCriteria;
use crate::store::stock::skus;
use crate::store::{events, orders, refunds};
use filter::{OrderFilter, Search};
use view::{OrderDetail, OrderPage, OrderSummary};

/// Orders on one page.
pub const PAGE: usize = 100;
/// A search for a SKU looks through so many orders at a time: an index of items by SKU would cost every hold.
const LOOKED_THROUGH: i64 = 5_000;
/// Orders whose ids begin alike are looked through up to this many.
const ALIKE: i64 = 20_000;

/// Why there is no good answer about an order.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is no row of it.
    #[error("there is no such order, or no worker has decided it yet")]
    NotFound,
    /// The order has no such payment.
    #[error("the order has no such payment")]
    NoSuchPayment,
    /// Its state does not allow what was asked for.
    #[error("order {order} is {status}")]
    WrongState { order: OrderId, status: &'static str },
    /// The payment is not one of which this may be said.
    #[error("the payment is {0}, and nothing that a person says changes that")]
    Settled(&'static str),
    /// What was asked for breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The database said no.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// A page of the orders that a filter lets through, newest first. Run it in a transaction.
pub async fn search(conn: &mut PgConnection, filter: &OrderFilter) -> Result<OrderPage, OrderError> {
    let search = filter.parse()?;
    let sku = match &search.sku {
        None => None,
        Some(code) => match skus::sku_id(conn, code).await? {
            Some(id) => Some(id),
            None => return Ok(OrderPage { orders: vec![], next: None }),
        },
    };
    let mut wanted = OrderCriteria {
        statuses: search.statuses.clone(),
        customer: search.customer.clone(),
        sku,
        from: search.from,
        until: search.until,
        after: search.after,
        limit: page::rows_to_read(PAGE),
    };
    let candidates = candidates(conn, &search).await?;
    let is_about_some_states = wanted.statuses.len() < OrderStatus::ALL.len();
    let is_looked_for = sku.is_some() || (wanted.customer.is_some() && is_about_some_states);
    let end = match (&candidates, &wanted.customer) {
        (None, None) if is_looked_for => orders::search::at_depth(conn, &wanted, LOOKED_THROUGH).await?,
        (None, Some(customer)) if is_looked_for => {
            orders::search::customer_at_depth(conn, customer, &wanted, LOOKED_THROUGH - 1).await?
        }
        _ => None,
    };
    wanted.from = wanted.from.max(end.map(|(created_at, _)| created_at));
    let looked_through = if is_looked_for { LOOKED_THROUGH } else { wanted.limit };
    let mut ids = match (candidates, &wanted.customer) {
        (Some(candidates), _) => orders::search::among(conn, &candidates, &wanted).await?,
        (None, Some(customer)) => {
            orders::search::of_customer(conn, customer, &wanted, looked_through).await?
        }
        (None, None) => orders::search::of_everyone(conn, &wanted).await?,
    };
    let last = page::cut(&mut ids, PAGE).copied();

    let now = orders::transaction_time(conn).await?;
    let mut rows = orders::find_all(conn, &ids).await?;
    let next = match (last, end) {
        (Some(last), _) => Some(last.uuid()),
        // The next page looks through what comes after the end of this one.
        (None, Some(end)) => {
            rows.retain(|row| (row.created_at, row.id) >= end);
            Some(end.1.uuid())
        }
        (None, None) => None,
    };
    let items = orders::items_of(conn, &ids).await?;
    let summaries = rows.iter().map(|row| {
        let own = items.iter().filter(|(order, _)| *order == row.id).map(|(_, item)| item);
        OrderSummary::new(row, own, now)
    });
    Ok(OrderPage { orders: summaries.collect(), next })
}

/// The few orders that can be meant, if the search names something that few orders have.
async fn candidates(conn: &mut PgConnection, search: &Search) -> sqlx::Result<Option<Vec<OrderId>>> {
    if let Some(name) = &search.payment {
        let mut orders = orders::search::paid_by(conn, name).await?;
        if let Some((lowest, highest)) = search.ids {
            orders.retain(|order| (lowest..=highest).contains(&order.uuid()));
        }
        return Ok(Some(orders));
    }
    if let Some((lowest, highest)) = search.ids {
        return Ok(Some(orders::search::between(conn, lowest, highest, ALIKE).await?));
    }
    Ok(None)
}

/// One order with everything that happened to it.
pub async fn show(conn: &mut PgConnection, order: OrderId) -> Result<OrderDetail, OrderError> {
    let row = orders::find(conn, order).await?.ok_or(OrderError::NotFound)?;
    let items = orders::items_of(conn, &[order]).await?;
    let items: Vec<HeldItem> = items.into_iter().map(|(_, item)| item).collect();
    let now = orders::transaction_time(conn).await?;

    let facts = events::of_order(conn, order, 0).await?;
    let payments = orders::history::payments_of(conn, order).await?;
    let refunds = refunds::of_order(conn, order).await?;
    let refund_ids: Vec<CommandId> = refunds.iter().map(|refund| refund.id).collect();
    let refund_items = refunds::items_of(conn, &refund_ids).await?;
    let payment_ids: Vec<_> = payments.iter().map(|payment| payment.id).collect();
    let webhooks = orders::history::webhooks_of(conn, order, &payment_ids).await?;
    let fact_ids: Vec<i64> = facts.iter().map(|fact| fact.id).collect();
    let effects = orders::history::effects_of(conn, &fact_ids).await?;
    let dead_letters = orders::history::dead_letters_of(conn, order).await?;
    let letter_ids: Vec<_> = dead_letters.iter().map(|letter| letter.id).collect();
    let actions = orders::history::actions_on(conn, order, &letter_ids).await?;

    let sources = timeline::Sources {
        facts: &facts,
        payments: &payments,
        refunds: &refunds,
        refund_items: &refund_items,
        webhooks: &webhooks,
        effects: &effects,
        dead_letters: &dead_letters,
        actions: &actions,
    };
    // Of refunds only the latest are told, so these two are asked of all of them.
    let open_refunds = refunds::open_of_order(conn, order).await?;
    let left = refunds::left::of_orders(conn, &[order]).await?.remove(&order);
    let left = left.map_or(vec![], |refundable| refundable.lines);
    Ok(OrderDetail::new(&row, &items, &sources, &open_refunds, &left, now))
}
