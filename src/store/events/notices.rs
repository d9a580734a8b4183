//! Facts that take effect, with all that is told of them outside.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::allocation::HeldItem;
use crate::domain::contact::EmailAddress;
use crate::domain::ids::{CommandId, CustomerId, OrderId, SkuCode};
use crate::domain::money::Won;
use crate::domain::notice::{Matter, Notice, NoticeItem};
use crate::event::RefundedItem;
use crate::store::effects::Effect;
use crate::store::orders;

/// What of a fact's data is told.
#[derive(Deserialize)]
#[serde(untagged)]
enum FactData {
    Refunded { refund_id: CommandId, amount_won: Won, is_whole: bool, items: Vec<RefundedItem> },
    Paid { payment_id: CommandId, amount_won: Won },
    Held { waiting_since: DateTime<Utc>, expires_at: DateTime<Utc>, amount_won: Won },
    Refused { waiting_since: DateTime<Utc> },
}

/// A fact that is not what facts of its kind are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the fact cannot be told: {0}")]
pub struct Unreadable(String);

/// The facts of these effects, by their place in the log.
pub async fn of(
    conn: &mut PgConnection,
    effects: &[Effect],
) -> sqlx::Result<HashMap<i64, Result<Notice, Unreadable>>> {
    let events: Vec<i64> = effects.iter().map(|effect| effect.event_id).collect();
    let orders: Vec<Uuid> = effects.iter().map(|effect| effect.order_id.uuid()).collect();
    let rows = sqlx::query_as!(
        RawFact,
        r#"SELECT e.id, e.order_id, e.data, e.occurred_at, o.customer_id, c.email AS "email?",
                  CASE WHEN o.status = 'held' AND now() < o.expires_at THEN o.expires_at END AS held_until
             FROM unnest($1::bigint[], $2::uuid[]) AS wanted (event_id, order_id)
             JOIN order_events e ON e.order_id = wanted.order_id AND e.id = wanted.event_id
             JOIN orders o ON o.id = e.order_id
             LEFT JOIN customer_contacts c ON c.customer_id = o.customer_id"#,
        &events,
        &orders,
    )
    .fetch_all(&mut *conn)
    .await?;
    let orders: Vec<OrderId> = effects.iter().map(|effect| effect.order_id).collect();
    let mut items: HashMap<OrderId, Vec<HeldItem>> = HashMap::new();
    for (order, item) in orders::items_of(conn, &orders).await? {
        items.entry(order).or_default().push(item);
    }
    let notice = |row: RawFact| {
        let held = items.get(&row.order_id.into()).map_or(&[][..], Vec::as_slice);
        (row.id, row.notice(held))
    };
    Ok(rows.into_iter().map(notice).collect())
}

struct RawFact {
    id: i64,
    order_id: Uuid,
    data: Value,
    occurred_at: DateTime<Utc>,
    customer_id: String,
    email: Option<String>,
    held_until: Option<DateTime<Utc>>,
}

impl RawFact {
    fn notice(self, held: &[HeldItem]) -> Result<Notice, Unreadable> {
        let data = serde_json::from_value(self.data).map_err(|error| Unreadable(error.to_string()))?;
        let (matter, amount, items) = told(data, held, self.held_until);
        Ok(Notice {
            event_id: self.id,
            occurred_at: self.occurred_at,
            order_id: self.order_id.into(),
            customer_id: CustomerId::parse(self.customer_id)
                .map_err(|error| Unreadable(error.to_string()))?,
            // An address that is none any more is none.
            email: self.email.and_then(|email| EmailAddress::parse(email).ok()),
            matter,
            amount,
            items,
        })
    }
}

fn told(
    data: FactData,
    held: &[HeldItem],
    held_until: Option<DateTime<Utc>>,
) -> (Matter, Won, Vec<NoticeItem>) {
    let name = |sku: &SkuCode| held.iter().find(|item| item.sku == *sku).map(|item| item.name.clone());
    let all = || {
        let items = held.iter().map(|item| NoticeItem {
            sku: item.sku.clone(),
            name: item.name.clone(),
            quantity: item.quantity,
            amount: item.amount,
        });
        items.collect()
    };
    match data {
        FactData::Paid { payment_id, amount_won } => (Matter::Paid { payment_id }, amount_won, all()),
        FactData::Refunded { refund_id, amount_won, is_whole, items } => {
            let items = items.into_iter().map(|item| NoticeItem {
                name: name(&item.sku).unwrap_or_else(|| item.sku.to_string()),
                sku: item.sku,
                quantity: item.quantity,
                amount: item.amount_won,
            });
            (Matter::Refunded { refund_id, is_whole }, amount_won, items.collect())
        }
        FactData::Held { waiting_since, expires_at, amount_won } => {
            (Matter::Held { waiting_since, expires_at, held_until }, amount_won, all())
        }
        FactData::Refused { waiting_since } => {
            let cost = Won(held.iter().map(|item| item.amount.0).sum());
            (Matter::Refused { waiting_since }, cost, all())
        }
    }
}
