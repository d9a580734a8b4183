//! Orders a worker has just decided, and which were decided before.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::allocation::HeldItem;
use crate::domain::ids::{CustomerId, Fingerprint, OrderId};
use crate::domain::money::Won;
use crate::domain::order::{OrderState, OrderStatus, OrderStep};

/// An order as it was decided.
#[derive(Debug)]
pub struct DecidedOrder {
    pub id: OrderId,
    pub customer_id: CustomerId,
    /// What was asked for, as a hash.
    pub fingerprint: Fingerprint,
    /// What stock is set aside for: nothing, if it is refused.
    pub items: Vec<HeldItem>,
    pub amount: Won,
    /// The state that its life begins in, on hold or refused.
    pub state: OrderState,
    /// The step that led there.
    pub step: OrderStep,
}

/// What is known of an order whose command comes a second time.
#[derive(Debug, Clone, Copy)]
pub struct KnownOrder {
    pub id: OrderId,
    /// What was asked for the first time.
    pub fingerprint: Fingerprint,
    /// Its deadline, if it is still on hold.
    pub held_until: Option<DateTime<Utc>>,
}

/// Which of these orders have been decided already.
pub async fn known(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<Vec<KnownOrder>> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let rows = sqlx::query!(
        "SELECT id, fingerprint, CASE WHEN status = 'held' THEN expires_at END AS held_until
           FROM orders WHERE id = ANY($1)",
        &orders,
    )
    .fetch_all(conn)
    .await?;
    let known = rows.into_iter().map(|row| KnownOrder {
        id: row.id.into(),
        fingerprint: Fingerprint(row.fingerprint),
        held_until: row.held_until,
    });
    Ok(known.collect())
}

/// Writes decided orders, then their items: one statement per table. `created_at` is the transaction's time.
pub async fn insert(
    conn: &mut PgConnection,
    orders: &[DecidedOrder],
    created_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    let mut columns = OrderColumns::default();
    let mut items = ItemColumns::default();
    for order in orders {
        columns.push(order, created_at);
        items.push(order.id, &order.items);
    }
    columns.insert(&mut *conn, created_at).await?;
    items.insert(conn).await
}

#[derive(Default)]
struct OrderColumns {
    ids: Vec<Uuid>,
    customers: Vec<String>,
    statuses: Vec<OrderStatus>,
    amounts: Vec<i64>,
    fingerprints: Vec<Uuid>,
    refusals: Vec<Option<String>>,
    deadlines: Vec<Option<DateTime<Utc>>>,
    closed: Vec<Option<DateTime<Utc>>>,
}

impl OrderColumns {
    fn push(&mut self, order: &DecidedOrder, now: DateTime<Utc>) {
        self.ids.push(order.id.uuid());
        self.customers.push(order.customer_id.as_str().to_owned());
        self.fingerprints.push(order.fingerprint.0);
        self.statuses.push(order.step.to());
        self.amounts.push(order.amount.0);
        self.refusals.push(match &order.state {
            OrderState::Refused(refusal) => {
                Some(serde_json::to_string(refusal).expect("a refusal has string keys"))
            }
            _ => None,
        });
        self.deadlines.push(match &order.state {
            OrderState::Held(hold) => Some(hold.expires_at),
            OrderState::Waiting(wait) => Some(wait.until),
            _ => None,
        });
        self.closed.push(order.state.is_final().then_some(now));
    }

    async fn insert(self, conn: &mut PgConnection, created_at: DateTime<Utc>) -> sqlx::Result<()> {
        sqlx::query!(
            "INSERT INTO orders (id, customer_id, status, amount_won, fingerprint, refusal, expires_at,
                                 closed_at, created_at)
             SELECT id, customer_id, status, amount_won, fingerprint, refusal::jsonb, expires_at, closed_at, $9
               FROM unnest($1::uuid[], $2::text[], $3::order_status[], $4::bigint[], $5::uuid[], $6::text[],
                           $7::timestamptz[], $8::timestamptz[])
                 AS new (id, customer_id, status, amount_won, fingerprint, refusal, expires_at, closed_at)",
            &self.ids,
            &self.customers,
            self.statuses.as_slice() as &[OrderStatus],
            &self.amounts,
            &self.fingerprints,
            self.refusals.as_slice() as &[Option<String>],
            self.deadlines.as_slice() as &[Option<DateTime<Utc>>],
            self.closed.as_slice() as &[Option<DateTime<Utc>>],
            created_at,
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}

#[derive(Default)]
struct ItemColumns {
    orders: Vec<Uuid>,
    skus: Vec<i64>,
    positions: Vec<i16>,
    quantities: Vec<i32>,
    unit_prices: Vec<i64>,
    discounts: Vec<i32>,
    amounts: Vec<i64>,
    codes: Vec<String>,
    names: Vec<String>,
}

impl ItemColumns {
    fn push(&mut self, order: OrderId, items: &[HeldItem]) {
        for (position, item) in (0..).zip(items) {
            self.orders.push(order.uuid());
            self.skus.push(item.sku_id.0);
            self.positions.push(position);
            self.quantities.push(item.quantity);
            self.unit_prices.push(item.unit_price.0);
            self.discounts.push(item.discount.basis_points());
            self.amounts.push(item.amount.0);
            self.codes.push(item.sku.as_str().to_owned());
            self.names.push(item.name.clone());
        }
    }

    async fn insert(self, conn: &mut PgConnection) -> sqlx::Result<()> {
        if self.orders.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO order_items (order_id, sku_id, position, quantity, unit_price_won, discount_ratio_bp,
                                      amount_won, sku_code, name)
             SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::smallint[], $4::int[], $5::bigint[], $6::int[],
                                  $7::bigint[], $8::text[], $9::text[])",
            &self.orders,
            &self.skus,
            &self.positions,
            &self.quantities,
            &self.unit_prices,
            &self.discounts,
            &self.amounts,
            &self.codes,
            &self.names,
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}
